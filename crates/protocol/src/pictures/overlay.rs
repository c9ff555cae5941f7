//! An explanation drawn over its picture, as PNG.

use hyaline_explain::Picture;

/// Shortest side of the drawing: smaller pictures are enlarged, each pixel a square.
const SIDE: usize = 256;

/// How much of a pixel's colour is the value's, at the largest value.
const STRONGEST: f64 = 0.75;

/// Red for values above 0, blue for those below.
const ABOVE: [f64; 3] = [214.0, 39.0, 40.0];
const BELOW: [f64; 3] = [31.0, 119.0, 180.0];

/// A drawing of `heat`, a value per pixel, over the picture in pale shades. Values are scaled by the largest magnitude.
pub(super) fn overlay(picture: &Picture, heat: &[f64]) -> Vec<u8> {
    let (height, width) = (picture.height(), picture.width());
    let factor = SIDE.div_ceil(height.min(width));
    let largest = heat
        .iter()
        .fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let mut pixels = Vec::with_capacity(height * width);
    for (pixel, &value) in heat.iter().enumerate() {
        let strength = if largest > 0.0 {
            STRONGEST * (value.abs() / largest)
        } else {
            0.0
        };
        let tint = if value > 0.0 { ABOVE } else { BELOW };
        let mut colour = [0; 3];
        for (channel, byte) in colour.iter_mut().enumerate() {
            let own = if picture.channels() < 3 { 0 } else { channel };
            // Pale, so that the tint is seen on black and on white.
            let shade = 48.0 + 191.0 * picture.shade(pixel, own).clamp(0.0, 1.0);
            *byte = (shade + strength * (tint[channel] - shade) + 0.5) as u8;
        }
        pixels.push(colour);
    }
    let mut bytes = Vec::with_capacity(pixels.len() * factor * factor * 3);
    for y in 0..height * factor {
        for x in 0..width * factor {
            bytes.extend(pixels[y / factor * width + x / factor]);
        }
    }
    png_of(&bytes, width * factor, height * factor)
}

fn png_of(bytes: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a picture has pixels");
    writer
        .write_image_data(bytes)
        .expect("the bytes are the picture's");
    writer.finish().expect("writing to memory cannot fail");
    file
}
