//! PNG bytes to the numbers of a model.

use std::io::Cursor;

use hyaline_model::ImageKind;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::base64;

/// Most pixels of a picture, whatever is left of them: a small file can claim billions.
const MOST_PIXELS: u64 = 1 << 22;

/// Most bytes that reading a picture may take.
const MOST_BYTES: usize = 64 << 20;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What starts the address of a picture that holds the picture.
const DATA_URL: &str = "data:image/png;base64,";

/// The numbers of a PNG file in base64, which may stand in a data URL.
///
/// # Errors
/// What is wrong, for people.
pub(crate) fn from_text(text: &str, kind: &ImageKind) -> Result<Vec<f32>, String> {
    let encoded = text.strip_prefix(DATA_URL).unwrap_or(text);
    if let Some(other) = encoded.strip_prefix("data:") {
        let media = other.split([';', ',']).next().unwrap_or("");
        return Err(format!("a data URL of `{media}`; expected `{DATA_URL}…`"));
    }
    let bytes = base64::decoded(encoded)
        .filter(|bytes| !bytes.is_empty())
        .ok_or("a text that is no base64; expected a PNG file in base64 or a data URL of one")?;
    from_png(&bytes, kind)
}

/// The numbers of a PNG file, in the order and size of `kind`: stretched to its size (areas are averaged where it shrinks,
/// neighbours interpolated where it grows), grey by the luma of ITU-R BT.601, transparent parts on white unless the model
/// takes opacity, bytes mapped to the model's numbers linearly.
///
/// # Errors
/// What is wrong with the file, for people.
pub(crate) fn from_png(bytes: &[u8], kind: &ImageKind) -> Result<Vec<f32>, String> {
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Err("a JPEG file; this function reads PNG, convert it".to_owned());
    }
    if !bytes.starts_with(SIGNATURE) {
        return Err("no PNG file: it does not start with the signature of one".to_owned());
    }
    let broken = |error: png::DecodingError| format!("a broken PNG file: {error}");
    let limits = Limits { bytes: MOST_BYTES };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    let (width, height) = (header.width, header.height);
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!(
            "a picture of {width}x{height} pixels; at most {MOST_PIXELS} pixels are read, make it smaller"
        ));
    }
    let mut reader = decoder.read_info().map_err(broken)?;
    let size = reader
        .output_buffer_size()
        .filter(|&size| size <= MOST_BYTES)
        .ok_or("a picture that takes too much memory; make it smaller")?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples).map_err(broken)?;
    let source = Source {
        width: width as usize,
        height: height as usize,
        color: frame.color_type,
        deep: frame.bit_depth == BitDepth::Sixteen,
        samples: &samples,
    };
    Ok(source.numbers(kind))
}

/// A decoded picture.
struct Source<'a> {
    width: usize,
    height: usize,
    color: ColorType,
    deep: bool,
    samples: &'a [u8],
}

impl Source<'_> {
    /// Sample `channel` of a pixel, from 0 to 1.
    fn sample(&self, pixel: usize, channel: usize) -> f32 {
        let at = pixel * self.color.samples() + channel;
        if self.deep {
            let word = u16::from_be_bytes([self.samples[2 * at], self.samples[2 * at + 1]]);
            f32::from(word) / 65535.0
        } else {
            f32::from(self.samples[at]) / 255.0
        }
    }

    /// Channel `channel` of a pixel as one of `channels` of the model, from 0 to 1.
    fn shade(&self, pixel: usize, channel: usize, channels: usize) -> f32 {
        let opacity = match self.color {
            ColorType::GrayscaleAlpha => self.sample(pixel, 1),
            ColorType::Rgba => self.sample(pixel, 3),
            _ => 1.0,
        };
        if channel == 3 {
            return opacity;
        }
        let grey = matches!(self.color, ColorType::Grayscale | ColorType::GrayscaleAlpha);
        let shade = match (grey, channels) {
            (true, _) => self.sample(pixel, 0),
            (false, 1) => {
                0.299 * self.sample(pixel, 0)
                    + 0.587 * self.sample(pixel, 1)
                    + 0.114 * self.sample(pixel, 2)
            }
            (false, _) => self.sample(pixel, channel),
        };
        if channels == 4 {
            shade
        } else {
            shade * opacity + (1.0 - opacity)
        }
    }

    fn numbers(&self, kind: &ImageKind) -> Vec<f32> {
        let (height, width) = (kind.height as usize, kind.width as usize);
        let channels = kind.channels as usize;
        let rows = weights(self.height, height);
        let columns = weights(self.width, width);
        let mut numbers = vec![0.0; height * width * channels];
        for channel in 0..channels {
            let (black, white) = (kind.black[channel], kind.white[channel]);
            // Each row of the source at the width of the model.
            let mut narrow = vec![0.0; self.height * width];
            for y in 0..self.height {
                for (x, column) in columns.iter().enumerate() {
                    let shade = |at: usize| self.shade(y * self.width + at, channel, channels);
                    narrow[y * width + x] = column.sum(shade);
                }
            }
            for (y, row) in rows.iter().enumerate() {
                for x in 0..width {
                    let shade = row.sum(|at| narrow[at * width + x]);
                    let place = if kind.channels_first {
                        (channel * height + y) * width + x
                    } else {
                        (y * width + x) * channels + channel
                    };
                    numbers[place] = black + shade * (white - black);
                }
            }
        }
        numbers
    }
}

/// The parts that neighbouring places of the source have in a place of the result.
struct Span {
    first: usize,
    parts: Vec<f32>,
}

impl Span {
    fn sum(&self, value: impl Fn(usize) -> f32) -> f32 {
        let parts = self.parts.iter().enumerate();
        parts
            .map(|(offset, part)| part * value(self.first + offset))
            .sum()
    }
}

/// How `from` places become `to`.
fn weights(from: usize, to: usize) -> Vec<Span> {
    let scale = from as f32 / to as f32;
    let place = |at: usize| {
        if from == to {
            return Span {
                first: at,
                parts: vec![1.0],
            };
        }
        if from > to {
            // The area that the place covers.
            let (low, high) = (at as f32 * scale, (at + 1) as f32 * scale);
            let first = low as usize;
            let end = (high.ceil() as usize).min(from);
            let part = |other: usize| {
                let covered = high.min((other + 1) as f32) - low.max(other as f32);
                covered.max(0.0) / scale
            };
            return Span {
                first,
                parts: (first..end).map(part).collect(),
            };
        }
        let centre = ((at as f32 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f32);
        let first = centre as usize;
        let across = centre - first as f32;
        Span {
            first,
            parts: if first + 1 < from {
                vec![1.0 - across, across]
            } else {
                vec![1.0]
            },
        }
    };
    (0..to).map(place).collect()
}
