// The named sizes and their pixels, as the service draws them. A test compares them with the service's.

export const RATIOS = {
  "1:1": [1024, 1024],
  "2:3": [832, 1248],
  "3:2": [1248, 832],
  "3:4": [864, 1152],
  "4:3": [1152, 864],
  "9:16": [720, 1280],
  "16:9": [1280, 720],
  "1:2": [720, 1440],
  "2:1": [1440, 720],
};

/** The pixels of a size as the API writes it: a ratio's name, or WIDTHxHEIGHT. */
export function pixels(size) {
  return RATIOS[size] ?? size.split("x").map(Number);
}

/** How the API would name a size: by its ratio, if one has exactly these pixels. */
export function sizeName(width, height) {
  const named = Object.entries(RATIOS).find(([, [w, h]]) => w === width && h === height);
  return named ? named[0] : `${width}x${height}`;
}
