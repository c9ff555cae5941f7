//! Pictures in segments.

use super::Picture;
use crate::ExplainError;

/// How a picture is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    /// Rectangles: so many from top to bottom, so many from left to right.
    Grid(usize, usize),
    /// About so many superpixels of alike neighbours: SLIC (Achanta et al. 2012, doi:10.1109/TPAMI.2012.120).
    Slic(usize),
}

/// Which segment each pixel belongs to. Every segment has a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    of_pixels: Vec<u32>,
    count: usize,
}

impl Segments {
    /// `[height, width]`: the segment of each pixel, from 0.
    pub fn of_pixels(&self) -> &[u32] {
        &self.of_pixels
    }

    /// How many segments.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Numbers the distinct `labels` in the order in which they occur.
    fn numbered(labels: &[usize]) -> Segments {
        let mut number = vec![None; labels.iter().max().map_or(0, |largest| largest + 1)];
        let mut count = 0;
        let of_pixels = labels
            .iter()
            .map(|&label| {
                *number[label].get_or_insert_with(|| {
                    count += 1;
                    count as u32 - 1
                })
            })
            .collect();
        Segments { of_pixels, count }
    }
}

/// Rounds of SLIC: its authors found ten enough.
const ROUNDS: usize = 10;

/// How much a step to the next centre weighs against the step from black to white.
const COMPACTNESS: f64 = 0.1;

impl Segmentation {
    /// A grid of 4 by 4 for small pictures, 48 superpixels for others.
    pub fn usual(height: usize, width: usize) -> Segmentation {
        if height.min(width) <= 16 {
            Segmentation::Grid(height.min(4), width.min(4))
        } else {
            Segmentation::Slic(48)
        }
    }

    /// The segments of `picture`.
    ///
    /// # Errors
    /// [`ExplainError::Unsupported`] when there are more than pixels, or none.
    pub(super) fn of(self, picture: &Picture) -> Result<Segments, ExplainError> {
        let (height, width) = (picture.height(), picture.width());
        match self {
            Segmentation::Grid(rows, columns)
                if (1..=height).contains(&rows) && (1..=width).contains(&columns) =>
            {
                let labels: Vec<usize> = (0..height * width)
                    .map(|pixel| {
                        let (y, x) = (pixel / width, pixel % width);
                        y * rows / height * columns + x * columns / width
                    })
                    .collect();
                Ok(Segments::numbered(&labels))
            }
            Segmentation::Slic(count) if (1..=height * width).contains(&count) => {
                Ok(slic(picture, count))
            }
            Segmentation::Grid(rows, columns) => Err(ExplainError::Unsupported(format!(
                "a grid of {rows}x{columns} on a picture of {height}x{width} pixels"
            ))),
            Segmentation::Slic(count) => Err(ExplainError::Unsupported(format!(
                "{count} superpixels of a picture of {height}x{width} pixels"
            ))),
        }
    }
}

/// A pixel's place and colour, colours in units of the compactness.
fn point(picture: &Picture, pixel: usize, step: f64) -> Vec<f64> {
    let width = picture.width();
    let place = [(pixel / width) as f64 / step, (pixel % width) as f64 / step];
    let shades = (0..picture.channels()).map(|channel| picture.shade(pixel, channel) / COMPACTNESS);
    place.into_iter().chain(shades).collect()
}

fn slic(picture: &Picture, count: usize) -> Segments {
    let (height, width) = (picture.height(), picture.width());
    let pixels = height * width;
    let step = libm::sqrt(pixels as f64 / count as f64);
    let points: Vec<Vec<f64>> = (0..pixels)
        .map(|pixel| point(picture, pixel, step))
        .collect();
    let lines = |extent: usize| ((extent as f64 / step + 0.5) as usize).clamp(1, extent);
    let (rows, columns) = (lines(height), lines(width));
    let mut centres: Vec<Vec<f64>> = (0..rows * columns)
        .map(|at| {
            let y = (2 * (at / columns) + 1) * height / (2 * rows);
            let x = (2 * (at % columns) + 1) * width / (2 * columns);
            points[y * width + x].clone()
        })
        .collect();
    let mut labels = vec![0; pixels];
    for _ in 0..ROUNDS {
        let mut nearest = vec![f64::INFINITY; pixels];
        for (label, centre) in centres.iter().enumerate() {
            // A superpixel reaches no further than twice its usual side.
            let span = |at: f64, extent: usize| {
                let first = ((at - 1.0) * step).max(0.0) as usize;
                let end = (((at + 1.0) * step) as usize + 1).min(extent);
                first..end
            };
            for y in span(centre[0], height) {
                for x in span(centre[1], width) {
                    let pixel = y * width + x;
                    let distance: f64 = centre
                        .iter()
                        .zip(&points[pixel])
                        .map(|(a, b)| (a - b) * (a - b))
                        .sum();
                    if distance < nearest[pixel] {
                        nearest[pixel] = distance;
                        labels[pixel] = label;
                    }
                }
            }
        }
        let mut sums = vec![vec![0.0; centres[0].len()]; centres.len()];
        let mut sizes = vec![0.0; centres.len()];
        for (pixel, &label) in labels.iter().enumerate() {
            sizes[label] += 1.0;
            for (sum, part) in sums[label].iter_mut().zip(&points[pixel]) {
                *sum += part;
            }
        }
        for ((centre, sums), size) in centres.iter_mut().zip(sums).zip(sizes) {
            if size > 0.0 {
                *centre = sums.into_iter().map(|sum| sum / size).collect();
            }
        }
    }
    connected(&labels, height, width, pixels / centres.len() / 4)
}

/// Every connected patch of one label becomes a segment; patches of less than `least` pixels join the one beside them
/// that was found before.
fn connected(labels: &[usize], height: usize, width: usize, least: usize) -> Segments {
    let mut patches: Vec<Option<usize>> = vec![None; labels.len()];
    let mut count = 0;
    for start in 0..labels.len() {
        if patches[start].is_some() {
            continue;
        }
        let mut members = vec![start];
        let mut beside = None;
        patches[start] = Some(count);
        let mut at = 0;
        while at < members.len() {
            let (y, x) = (members[at] / width, members[at] % width);
            let neighbours = [
                (y > 0).then(|| members[at] - width),
                (x > 0).then(|| members[at] - 1),
                (x + 1 < width).then(|| members[at] + 1),
                (y + 1 < height).then(|| members[at] + width),
            ];
            for other in neighbours.into_iter().flatten() {
                match patches[other] {
                    None if labels[other] == labels[start] => {
                        patches[other] = Some(count);
                        members.push(other);
                    }
                    Some(patch) if patch != count => beside = beside.or(Some(patch)),
                    _ => {}
                }
            }
            at += 1;
        }
        match beside {
            Some(patch) if members.len() < least => {
                members
                    .into_iter()
                    .for_each(|pixel| patches[pixel] = Some(patch));
            }
            _ => count += 1,
        }
    }
    let patches: Vec<usize> = patches.into_iter().flatten().collect();
    Segments::numbered(&patches)
}

#[cfg(test)]
mod tests {
    use hyaline_model::ImageKind;

    use super::*;

    fn picture(height: u32, width: u32, numbers: Vec<f32>) -> Picture {
        let kind = ImageKind {
            height,
            width,
            channels: 1,
            channels_first: true,
            black: vec![0.0],
            white: vec![1.0],
        };
        Picture::new(&kind, numbers)
    }

    #[test]
    fn a_grid_is_cut_as_evenly_as_it_goes() {
        let segments = Segmentation::Grid(2, 3)
            .of(&picture(3, 4, vec![0.0; 12]))
            .expect("a grid");
        assert_eq!(segments.of_pixels(), [0, 0, 1, 2, 0, 0, 1, 2, 3, 3, 4, 5]);
        assert_eq!(segments.count(), 6);
    }

    #[test]
    fn superpixels_keep_to_edges_and_hang_together() {
        // A bright square off the grid on a dark ground.
        let inside = |y: usize, x: usize| (5..17).contains(&y) && (9..21).contains(&x);
        let numbers = (0..24 * 24)
            .map(|at| f32::from(u8::from(inside(at / 24, at % 24))))
            .collect();
        let segments = Segmentation::Slic(16)
            .of(&picture(24, 24, numbers))
            .expect("superpixels");
        let mut sides = vec![None; segments.count()];
        for (pixel, &segment) in segments.of_pixels().iter().enumerate() {
            let side = inside(pixel / 24, pixel % 24);
            assert_eq!(
                *sides[segment as usize].get_or_insert(side),
                side,
                "segment {segment} crosses the edge"
            );
        }
        assert!((8..=32).contains(&segments.count()), "{}", segments.count());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let flat = picture(8, 8, vec![0.0; 64]);
        for (cut, words) in [
            (
                Segmentation::Grid(9, 1),
                "a grid of 9x1 on a picture of 8x8 pixels",
            ),
            (
                Segmentation::Grid(0, 1),
                "a grid of 0x1 on a picture of 8x8 pixels",
            ),
            (
                Segmentation::Slic(65),
                "65 superpixels of a picture of 8x8 pixels",
            ),
        ] {
            assert_eq!(cut.of(&flat).expect_err("a refusal").to_string(), words);
        }
    }
}
