//! What stands in the place of absent pixels.

use super::Picture;

/// A filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// The model's number for byte 0.
    Black,
    /// The model's number for byte 255.
    White,
    /// The picture's mean colour.
    Mean,
    /// The picture blurred beyond recognition: the mean of a square, three times over, which is nearly a Gaussian.
    Blur,
}

impl Filling {
    /// Every filling.
    pub const ALL: [Filling; 4] = [Filling::Black, Filling::White, Filling::Mean, Filling::Blur];

    /// Its name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Filling::Black => "black",
            Filling::White => "white",
            Filling::Mean => "mean",
            Filling::Blur => "blur",
        }
    }

    /// The filling called `name`.
    pub fn from_name(name: &str) -> Option<Filling> {
        Filling::ALL
            .into_iter()
            .find(|filling| filling.name() == name)
    }

    /// The numbers of a whole picture of it, in the order of the model.
    pub(super) fn of(self, picture: &Picture) -> Vec<f32> {
        let pixels = picture.height() * picture.width();
        let mut filled = picture.numbers().to_vec();
        for channel in 0..picture.channels() {
            let place = |pixel| picture.place(pixel, channel);
            let (black, white) = picture.ends(channel);
            let own = || (0..pixels).map(|pixel| f64::from(picture.numbers()[place(pixel)]));
            match self {
                Filling::Black => (0..pixels).for_each(|pixel| filled[place(pixel)] = black),
                Filling::White => (0..pixels).for_each(|pixel| filled[place(pixel)] = white),
                Filling::Mean => {
                    let mean = own().sum::<f64>() / pixels as f64;
                    (0..pixels).for_each(|pixel| filled[place(pixel)] = mean as f32);
                }
                Filling::Blur => {
                    let mut plane: Vec<f64> = own().collect();
                    for _ in 0..3 {
                        plane = smoothed(&plane, picture.height(), picture.width());
                    }
                    for (pixel, number) in plane.into_iter().enumerate() {
                        filled[place(pixel)] = number as f32;
                    }
                }
            }
        }
        filled
    }
}

/// The mean over the square around each pixel, as far as it lies in the picture; an eighth of the shorter side each way.
fn smoothed(plane: &[f64], height: usize, width: usize) -> Vec<f64> {
    let reach = (height.min(width) / 8).max(1);
    let along = |plane: &[f64], count: usize, step: usize, lines: usize, line_step: usize| {
        let mut made = vec![0.0; plane.len()];
        for line in 0..lines {
            let at = |position: usize| line * line_step + position * step;
            for position in 0..count {
                let (first, last) = (
                    position.saturating_sub(reach),
                    (position + reach).min(count - 1),
                );
                let sum: f64 = (first..=last).map(|other| plane[at(other)]).sum();
                made[at(position)] = sum / (last - first + 1) as f64;
            }
        }
        made
    };
    let rows = along(plane, width, 1, height, width);
    along(&rows, height, width, width, 1)
}
