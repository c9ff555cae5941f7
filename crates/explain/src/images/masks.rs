//! Values per pixel: sliding windows and random masks.

use super::Stage;
use crate::ExplainError;
use crate::sampling::Random;

/// The mean loss over the windows a pixel lies in, `[height, width]`, and how many windows there were. The windows of each
/// axis start at multiples of `stride`, the last one where it still fits; together they cover the picture.
pub(super) fn occlusion(
    stage: &Stage<'_>,
    size: usize,
    stride: usize,
) -> Result<(Vec<f64>, u64), ExplainError> {
    let (height, width) = (stage.picture.height(), stage.picture.width());
    if size == 0 || stride == 0 || stride > size || size > height.min(width) {
        return Err(ExplainError::Unsupported(format!(
            "a window of {size} pixels moved by {stride} on a picture of {height}x{width}; expected 1 to {} pixels, moved by 1 to as many",
            height.min(width)
        )));
    }
    let starts = |extent: usize| -> Vec<usize> {
        let mut starts: Vec<usize> = (0..=extent - size).step_by(stride).collect();
        if starts.last() != Some(&(extent - size)) {
            starts.push(extent - size);
        }
        starts
    };
    let (tops, lefts) = (starts(height), starts(width));
    let windows: Vec<(usize, usize)> = tops
        .iter()
        .flat_map(|&top| lefts.iter().map(move |&left| (top, left)))
        .collect();
    let whole = stage.answers(1, &mut |_, numbers| numbers.extend(stage.picture.numbers()))?[0];
    let pixels = |(top, left): (usize, usize)| {
        (top..top + size).flat_map(move |y| (left..left + size).map(move |x| y * width + x))
    };
    let answers = stage.answers(windows.len(), &mut |window, numbers| {
        let start = numbers.len();
        numbers.extend_from_slice(stage.picture.numbers());
        for pixel in pixels(windows[window]) {
            for channel in 0..stage.picture.channels() {
                let place = stage.picture.place(pixel, channel);
                numbers[start + place] = stage.filled[place];
            }
        }
    })?;
    let mut sums = vec![0.0; height * width];
    let mut counts = vec![0.0; height * width];
    for (&window, answer) in windows.iter().zip(&answers) {
        for pixel in pixels(window) {
            sums[pixel] += whole - answer;
            counts[pixel] += 1.0;
        }
    }
    for (sum, count) in sums.iter_mut().zip(&counts) {
        *sum /= count;
    }
    Ok((sums, windows.len() as u64 + 1))
}

/// Probability that a cell of a mask shows.
const SHOWN: f64 = 0.5;

/// The mean over `count` masks of the answer times the mask, divided by the probability, `[height, width]`. Mask `m`
/// draws from stream `m` of the seed: its coins row by row, then its shift down and to the right.
pub(super) fn rise(
    stage: &Stage<'_>,
    cells: usize,
    count: u32,
    seed: u64,
) -> Result<Vec<f64>, ExplainError> {
    let (height, width) = (stage.picture.height(), stage.picture.width());
    if cells < 2 || cells > height.min(width) {
        return Err(ExplainError::Unsupported(format!(
            "masks of {cells}x{cells} cells on a picture of {height}x{width}; expected 2 to {} cells",
            height.min(width)
        )));
    }
    let numbers = stage.picture.numbers();
    let answers = stage.answers(count as usize, &mut |mask, painted: &mut Vec<f32>| {
        let mask = Mask::draw(cells, height, width, seed, mask as u64);
        let start = painted.len();
        painted.extend_from_slice(numbers);
        for pixel in 0..height * width {
            let shown = mask.at(pixel / width, pixel % width);
            for channel in 0..stage.picture.channels() {
                let place = stage.picture.place(pixel, channel);
                let (own, other) = (f64::from(numbers[place]), f64::from(stage.filled[place]));
                painted[start + place] = (other + shown * (own - other)) as f32;
            }
        }
    })?;
    let mut heat = vec![0.0; height * width];
    for (mask, answer) in answers.iter().enumerate() {
        let mask = Mask::draw(cells, height, width, seed, mask as u64);
        for (pixel, sum) in heat.iter_mut().enumerate() {
            *sum += answer * mask.at(pixel / width, pixel % width);
        }
    }
    let scale = f64::from(count) * SHOWN;
    heat.iter_mut().for_each(|value| *value /= scale);
    Ok(heat)
}

/// A mask: coins on a lattice of `cells + 1` points a side, enlarged to `(cells + 1)` cells and shifted by less than one
/// cell, so that every pixel lies between four coins.
struct Mask {
    coins: Vec<f64>,
    side: usize,
    cell: (usize, usize),
    shift: (usize, usize),
}

impl Mask {
    fn draw(cells: usize, height: usize, width: usize, seed: u64, number: u64) -> Mask {
        let mut random = Random::new(seed, number);
        let side = cells + 1;
        let coins = (0..side * side)
            .map(|_| if random.unit() < SHOWN { 1.0 } else { 0.0 })
            .collect();
        let cell = (height.div_ceil(cells), width.div_ceil(cells));
        let shift = (
            random.below(cell.0 as u64) as usize,
            random.below(cell.1 as u64) as usize,
        );
        Mask {
            coins,
            side,
            cell,
            shift,
        }
    }

    /// How much of the pixel shows, from 0 to 1.
    fn at(&self, y: usize, x: usize) -> f64 {
        let place = |position: usize, shift: usize, cell: usize| {
            let scaled = (position + shift) as f64 / cell as f64;
            let low = (scaled as usize).min(self.side - 1);
            (low, (low + 1).min(self.side - 1), scaled - low as f64)
        };
        let (top, bottom, down) = place(y, self.shift.0, self.cell.0);
        let (left, right, across) = place(x, self.shift.1, self.cell.1);
        let coin = |y: usize, x: usize| self.coins[y * self.side + x];
        let upper = coin(top, left) + across * (coin(top, right) - coin(top, left));
        let lower = coin(bottom, left) + across * (coin(bottom, right) - coin(bottom, left));
        upper + down * (lower - upper)
    }
}
