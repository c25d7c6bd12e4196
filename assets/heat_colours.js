/* Colours of resting size: lightness rises evenly along the scale in OKLab, so that equal steps look equal. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.heatColours = (() => {
  const STEPS = 256;
  /* lightness, chroma and hue (degrees) at both ends; the hue runs violet, blue, teal, yellow */
  const DARK = { from: [0.24, 0.05, 286], to: [0.95, 0.13, 100] };
  const LIGHT = { from: [0.95, 0.03, 100], to: [0.3, 0.13, 290] };
  const CHROMA_ARCH = 0.07;      // more colour in the middle, where sRGB has room for it

  /** Linear sRGB of OKLab (Ottosson, A perceptual color space for image processing, 2020). */
  function linear(lightness, a, b) {
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    return [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
  }

  const isInside = (rgb) => rgb.every((v) => v >= -0.0005 && v <= 1.0005);
  const encode = (v) => {
    const c = Math.min(1, Math.max(0, v));
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  };

  /** [red, green, blue] 0…255, with as much of the chroma as sRGB can show. */
  function colour(lightness, chroma, hue) {
    const angle = (hue * Math.PI) / 180;
    let c = chroma;
    let rgb = linear(lightness, c * Math.cos(angle), c * Math.sin(angle));
    while (!isInside(rgb) && c > 0.001) {
      c *= 0.95;
      rgb = linear(lightness, c * Math.cos(angle), c * Math.sin(angle));
    }
    return rgb.map(encode);
  }

  const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

  /** 256 pixels as ImageData keeps them (little-endian RGBA), from the smallest size to the largest. */
  function ramp(scheme) {
    const { from, to } = scheme === "light" ? LIGHT : DARK;
    const pixels = new Uint32Array(STEPS);
    for (let i = 0; i < STEPS; i += 1) {
      const x = i / (STEPS - 1);
      const [lightness, chroma, hue] = from.map((v, k) => v + (to[k] - v) * x);
      pixels[i] = pack(colour(lightness, chroma + CHROMA_ARCH * Math.sin(Math.PI * x), hue));
    }
    return pixels;
  }

  /** The pixel of a token's colour (`#rrggbb`). */
  function pixelOf(token) {
    const value = parseInt(token.slice(1, 7), 16);
    return pack([value >> 16, (value >> 8) & 255, value & 255]);
  }

  return { ramp, pixelOf, STEPS };
})();
