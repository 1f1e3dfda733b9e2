"""Settings of engines, workers and time limits."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from easel.settings.description import Description, Group
from easel.settings.fields.installation import InstallationFields

HUB_MODEL: Final = "Comfy-Org/z_image_turbo"


class DrawingFields(InstallationFields, frozen=True, kw_only=True):
    """Engines, devices and time limits."""

    engine: Annotated[
        str,
        Description(Group.ENGINE, "Engine that draws the pictures."),
    ] = "sketch"
    device: Annotated[
        str,
        Meta(pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$"),
        Description(
            Group.ENGINE,
            "Device that workers draw on: `auto`, `cpu`, `mps`, `cuda`, or one GPU such as `cuda:0`. With `auto`, "
            "the zimage engine uses every GPU of the machine, and does not start if it cannot use an NVIDIA GPU.",
        ),
    ] = "auto"
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Description(Group.ENGINE, "Worker processes that `easel serve` starts.", default="one per device"),
    ] = None
    provenance: Annotated[
        bool,
        Description(
            Group.ENGINE,
            "Whether pictures carry their prompt, seed and size in their metadata. A mark that AI or an algorithm made "
            "them is always included.",
        ),
    ] = True
    blank_step_s: Annotated[
        float,
        Meta(ge=0, le=60),
        Description(Group.ENGINE, "Time that each step of the blank engine takes, to imitate a slow engine."),
    ] = 0.0
    sketch_step_s: Annotated[
        float,
        Meta(ge=0, le=60),
        Description(
            Group.ENGINE, "Time that each step of the sketch engine takes in addition, to show progress as it happens."
        ),
    ] = 0.0
    model: Annotated[
        str,
        Description(
            Group.ZIMAGE,
            "Weights of the zimage engine: a folder in the layout of diffusers or of ComfyUI, a file with a transformer "
            "in such a folder, or a name on the Hugging Face hub, which is downloaded on first use.",
        ),
    ] = HUB_MODEL
    lora: Annotated[
        str | None,
        Description(
            Group.ZIMAGE,
            "LoRA that the engines zimage and sdcpp draw with: a `.safetensors` file, and optionally a scale after a "
            "colon, such as `/loras/ink.safetensors:0.8`.",
        ),
    ] = None
    gpu_memory: Annotated[
        Literal["auto", "low"],
        Description(
            Group.ZIMAGE,
            "`low` keeps the text encoder of the zimage engine in the machine's memory, and passes it through the GPU "
            "layer by layer for each new prompt. `auto` does so only if it does not fit.",
        ),
    ] = "auto"
    weights: Annotated[
        Literal["bf16", "int8"],
        Description(
            Group.ZIMAGE,
            "`int8` keeps the large matrices of the zimage engine's transformer in 8 bits, in half the memory. Pictures "
            "then differ slightly.",
        ),
    ] = "bf16"
    attention: Annotated[
        Literal["auto", "flash", "cudnn", "efficient", "math"],
        Description(
            Group.ZIMAGE,
            "Attention kernel that the zimage engine tries first on an NVIDIA GPU. `auto` is `cudnn` on the GPUs on which "
            "PyTorch prefers it, and `flash` on others.",
        ),
    ] = "auto"
    sdcpp_model: Annotated[
        str | None,
        Description(
            Group.SDCPP,
            "Folder with the three files of the model, in GGUF or safetensors: transformer, text encoder and "
            "autoencoder. Files are recognised by their content. Files that no setting names are downloaded on "
            "first use, 6.7 GB in all.",
        ),
    ] = None
    sdcpp_transformer: Annotated[
        str | None,
        Description(Group.SDCPP, "File of the transformer, such as `z_image_turbo-Q4_K.gguf`."),
    ] = None
    sdcpp_text_encoder: Annotated[
        str | None,
        Description(Group.SDCPP, "File of the text encoder, such as `Qwen3-4B-Q4_K_M.gguf`."),
    ] = None
    sdcpp_autoencoder: Annotated[
        str | None,
        Description(Group.SDCPP, "File of the autoencoder, such as `ae.safetensors`."),
    ] = None
    sdcpp_python: Annotated[
        str | None,
        Description(
            Group.SDCPP,
            "Python interpreter, 3.12 or later, in which cyllama is installed. Easel need not be installed there.",
            default="the Python that runs Easel",
        ),
    ] = None
    sdcpp_backend: Annotated[
        Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,40}$")] | None,
        Description(
            Group.SDCPP,
            "Device to draw on, by the library's name, such as `cpu`, `cuda0`, `vulkan0` or `metal`. `easel doctor` lists "
            "them.",
            default="the library's choice",
        ),
    ] = None
    sdcpp_threads: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Description(Group.SDCPP, "Threads that compute on the processor.", default="one per physical core"),
    ] = None
    sdcpp_memory: Annotated[
        Literal["auto", "all", "offload", "disk"],
        Description(
            Group.SDCPP,
            "Where the weights are kept. `auto` lets the library place them by free memory, `all` keeps them on the "
            "graphics card, `offload` keeps them in the machine's memory, and `disk` reads them again when they are needed.",
        ),
    ] = "auto"
    sdcpp_vram_gb: Annotated[
        Annotated[float, Meta(ge=0.5, le=1000)] | None,
        Description(
            Group.SDCPP, "Memory of the graphics card that the library may use, in GiB.", default="what is free"
        ),
    ] = None
    sdcpp_tiles: Annotated[
        bool,
        Description(
            Group.SDCPP, "Whether the picture is decoded in tiles, which needs less memory and may show seams."
        ),
    ] = False
    remote_url: Annotated[
        str | None,
        Description(
            Group.REMOTE,
            "Address of the image server, such as `http://127.0.0.1:30000`, with or without `/v1` at the end. Several "
            "servers that draw alike are separated by commas. Required with `EASEL_ENGINE=remote`.",
        ),
    ] = None
    remote_api_key: Annotated[
        str | None,
        Description(Group.REMOTE, "API key for the image servers, if they ask for one.", has_file_variant=True),
    ] = None
    remote_model: Annotated[
        str,
        Meta(min_length=1, max_length=500),
        Description(Group.REMOTE, "Name of the model on the image servers."),
    ] = "Tongyi-MAI/Z-Image-Turbo"
    remote_steps: Annotated[
        int,
        Meta(ge=0, le=200),
        Description(
            Group.REMOTE,
            "Denoising steps that Easel asks the image server for. Easel also asks for no guidance. With 0, the server "
            "decides both.",
        ),
    ] = 9
    remote_timeout_s: Annotated[
        int,
        Meta(ge=1, le=3600),
        Description(Group.REMOTE, "Longest time that the image server may take for one attempt at a picture."),
    ] = 300
    remote_draws_at_once: Annotated[
        int,
        Meta(ge=1, le=64),
        Description(Group.REMOTE, "Pictures that one worker requests from each image server at the same time."),
    ] = 4
    remote_check: Annotated[
        bool,
        Description(
            Group.REMOTE,
            "Let each image server draw three small pictures when a worker starts, to tell whether it obeys size and "
            "seed. `easel doctor` does so too.",
        ),
    ] = True
    queue_timeout_s: Annotated[
        int,
        Meta(ge=1, le=2_592_000),
        Description(Group.TIMES, "Longest time that a task may wait to be drawn. After that it fails and is refunded."),
    ] = 86_400
    draw_timeout_s: Annotated[
        int,
        Meta(ge=1, le=86_400),
        Description(
            Group.TIMES,
            "Longest time that one drawing may take. After that it is stopped at the end of its step, and the task "
            "fails and is refunded.",
        ),
    ] = 3600
    step_timeout_s: Annotated[
        int,
        Meta(ge=1, le=86_400),
        Description(
            Group.TIMES,
            "Longest time that one denoising step may take. A worker that takes longer is considered hung and is "
            "restarted.",
        ),
    ] = 900
    drain_timeout_s: Annotated[
        int,
        Meta(ge=0, le=86_400),
        Description(
            Group.TIMES,
            "How long a process that is stopping may go on with its work. A worker then returns unfinished tasks to "
            "the queue.",
        ),
    ] = 30
