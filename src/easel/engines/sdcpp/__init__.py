"""The sdcpp engine: Z-Image-Turbo with stable-diffusion.cpp, in a child process."""
