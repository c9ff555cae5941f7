//! A picture as the numbers of a model.

use hyaline_model::ImageKind;

/// The numbers of one picture and where each pixel's stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    kind: ImageKind,
    numbers: Vec<f32>,
}

impl Picture {
    /// `numbers` in the order of `kind`.
    ///
    /// # Panics
    /// If there are not as many as `kind` says.
    pub fn new(kind: &ImageKind, numbers: Vec<f32>) -> Picture {
        let expected = kind.height as usize * kind.width as usize * kind.channels as usize;
        assert_eq!(numbers.len(), expected, "a picture of its kind");
        Picture {
            kind: kind.clone(),
            numbers,
        }
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.kind.height as usize
    }

    /// Pixels from left to right.
    pub fn width(&self) -> usize {
        self.kind.width as usize
    }

    /// Numbers per pixel.
    pub fn channels(&self) -> usize {
        self.kind.channels as usize
    }

    /// All numbers, in the order of the model.
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// Where the number of `channel` of pixel `pixel` (row by row from the top left) stands.
    pub fn place(&self, pixel: usize, channel: usize) -> usize {
        if self.kind.channels_first {
            channel * self.height() * self.width() + pixel
        } else {
            pixel * self.channels() + channel
        }
    }

    /// The model's numbers for byte 0 and byte 255 in `channel`.
    pub fn ends(&self, channel: usize) -> (f32, f32) {
        (self.kind.black[channel], self.kind.white[channel])
    }

    /// The number of `channel` of `pixel`, between 0 for black and 1 for white (beyond for numbers outside).
    pub fn shade(&self, pixel: usize, channel: usize) -> f64 {
        let (black, white) = self.ends(channel);
        let (black, white) = (f64::from(black), f64::from(white));
        let number = f64::from(self.numbers[self.place(pixel, channel)]);
        if white == black {
            0.0
        } else {
            (number - black) / (white - black)
        }
    }
}
