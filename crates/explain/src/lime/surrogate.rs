//! The linear model that stands for the black box near a row: weighted ridge regression over sums of samples.

use hyaline_model::sorted_positions;

/// Weighted sums over samples of an interpretable representation and the model's answers to them, enough to fit any
/// linear model of any of its components.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    components: usize,
    outputs: usize,
    weight: f64,
    /// `[components]`, then centred by [`Moments::centred`]: Σ w z.
    sums: Vec<f64>,
    /// `[components, components]`, the lower triangle: Σ w z zᵀ.
    squares: Vec<f64>,
    /// `[outputs]`: Σ w y.
    answers: Vec<f64>,
    /// `[outputs]`: Σ w y².
    answer_squares: Vec<f64>,
    /// `[outputs, components]`: Σ w y z.
    products: Vec<f64>,
}

/// Which components the linear model may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// The best `n` one after the other (up to 6), else those with the largest effect in a model of all (more), as `lime`
    /// chooses them.
    Best(usize),
}

/// A linear model: `answer ≈ intercept + Σ weightᵢ · zᵢ`.
#[derive(Clone, Debug, PartialEq)]
pub struct Surrogate {
    /// Chosen components, ascending.
    pub components: Vec<usize>,
    /// One per chosen component.
    pub weights: Vec<f64>,
    /// The answer where every component is 0.
    pub intercept: f64,
    /// Weighted R²: what share of the answers' variance it explains; may be negative in theory, 1 for constant answers.
    pub fidelity: f64,
}

impl Surrogate {
    /// What the linear model answers to a point, `[components]`.
    pub fn answer(&self, point: &[f32]) -> f64 {
        let chosen = self.components.iter().zip(&self.weights);
        let terms = chosen.map(|(&at, weight)| weight * f64::from(point[at]));
        self.intercept + terms.sum::<f64>()
    }
}

/// Regularisation of the linear model and of the one that ranks components, as in `lime`.
const RIDGE: f64 = 1.0;
const RANKING_RIDGE: f64 = 0.01;

/// Up to this many components are chosen one after the other.
const FORWARD: usize = 6;

impl Moments {
    /// No sample yet.
    pub fn new(components: usize, outputs: usize) -> Moments {
        Moments {
            components,
            outputs,
            weight: 0.0,
            sums: vec![0.0; components],
            squares: vec![0.0; components * components],
            answers: vec![0.0; outputs],
            answer_squares: vec![0.0; outputs],
            products: vec![0.0; outputs * components],
        }
    }

    /// Adds a sample: its components that are not 0 as (position, value), ascending, and the model's answers to it.
    pub fn add(&mut self, weight: f64, present: &[(u32, f32)], answers: &[f64]) {
        self.weight += weight;
        for (at, &(row, left)) in present.iter().enumerate() {
            let row = row as usize;
            let left = weight * f64::from(left);
            self.sums[row] += left;
            let squares = &mut self.squares[row * self.components..][..=row];
            if at == row {
                // Every component up to this one is there.
                for (square, &(_, right)) in squares.iter_mut().zip(present) {
                    *square += left * f64::from(right);
                }
            } else {
                for &(column, right) in &present[..=at] {
                    squares[column as usize] += left * f64::from(right);
                }
            }
        }
        for (output, &answer) in answers.iter().enumerate() {
            let weighted = weight * answer;
            self.answers[output] += weighted;
            self.answer_squares[output] += weighted * answer;
            let products = &mut self.products[output * self.components..][..self.components];
            for &(component, value) in present {
                products[component as usize] += weighted * f64::from(value);
            }
        }
    }

    /// Takes the means out, so that intercepts follow from the means alone.
    pub fn centred(mut self) -> Centred {
        let total = self.weight;
        let means: Vec<f64> = self.sums.iter().map(|sum| sum / total).collect();
        let answers: Vec<f64> = self.answers.iter().map(|sum| sum / total).collect();
        for row in 0..self.components {
            for column in 0..=row {
                let at = row * self.components + column;
                self.squares[at] -= total * means[row] * means[column];
                self.squares[column * self.components + row] = self.squares[at];
            }
        }
        for (output, &answer) in answers.iter().enumerate() {
            let squares = &mut self.answer_squares[output];
            let rest = *squares - total * answer * answer;
            // What rounding leaves of constant answers is no variance.
            *squares = if rest > 1e-13 * *squares { rest } else { 0.0 };
            let products = &mut self.products[output * self.components..][..self.components];
            for (product, mean) in products.iter_mut().zip(&means) {
                *product -= total * answer * mean;
            }
        }
        Centred {
            components: self.components,
            means,
            answers,
            squares: self.squares,
            answer_squares: self.answer_squares,
            products: self.products,
        }
    }
}

/// [`Moments`] about the means.
#[derive(Clone, Debug, PartialEq)]
pub struct Centred {
    components: usize,
    means: Vec<f64>,
    answers: Vec<f64>,
    squares: Vec<f64>,
    answer_squares: Vec<f64>,
    products: Vec<f64>,
}

impl Centred {
    /// Standard error of each weight of `surrogate`: square roots of the diagonal of `A⁻¹ S A⁻¹` (White 1980,
    /// doi:10.2307/1912934), with `A` the regularised squares and `S = Σ w² e² z zᵀ` about the means, `e` what the
    /// linear model leaves of an answer. `scores` are samples of weight `w² e²`.
    pub fn standard_errors(&self, surrogate: &Surrogate, scores: &Moments) -> Vec<f64> {
        let chosen = &surrogate.components;
        let factor = self.factor(chosen, RIDGE);
        let spread = |row: usize, column: usize| {
            let square = scores.squares[row.max(column) * self.components + row.min(column)];
            let (left, right) = (self.means[row], self.means[column]);
            square - scores.sums[row] * right - scores.sums[column] * left
                + scores.weight * left * right
        };
        let variance = |at: usize| -> f64 {
            let mut unit = vec![0.0; chosen.len()];
            unit[at] = 1.0;
            let inverse = solve(&factor, unit);
            let rows = chosen.iter().zip(&inverse).map(|(&row, left)| {
                let columns = chosen.iter().zip(&inverse);
                left * columns
                    .map(|(&column, right)| spread(row, column) * right)
                    .sum::<f64>()
            });
            rows.sum()
        };
        (0..chosen.len())
            .map(|at| variance(at).max(0.0).sqrt())
            .collect()
    }

    /// Fits the linear model of one output. `own` is the explained point, `[components]`.
    pub fn fit(&self, output: usize, selection: Selection, own: &[f32]) -> Surrogate {
        let all = || (0..self.components).collect();
        let components = match selection {
            Selection::Best(count) if count >= self.components => all(),
            Selection::Best(count) if count <= FORWARD => self.forward(output, count),
            Selection::Best(count) => self.largest(output, count, own),
            Selection::All => all(),
        };
        self.ridge(output, components, RIDGE)
    }

    /// Weighted ridge regression with an intercept that is not regularised, as scikit-learn's `Ridge` has it.
    fn ridge(&self, output: usize, components: Vec<usize>, alpha: f64) -> Surrogate {
        let products = &self.products[output * self.components..][..self.components];
        let right: Vec<f64> = components.iter().map(|&at| products[at]).collect();
        let factor = self.factor(&components, alpha);
        let weights = solve(&factor, right.clone());
        let explained = |(at, &row): (usize, &usize)| -> f64 {
            let columns = components.iter().zip(&weights);
            let square = columns
                .map(|(&column, weight)| self.squares[row * self.components + column] * weight);
            weights[at] * (2.0 * right[at] - square.sum::<f64>())
        };
        let explained: f64 = components.iter().enumerate().map(explained).sum();
        let variance = self.answer_squares[output];
        let means = components
            .iter()
            .zip(&weights)
            .map(|(&at, weight)| self.means[at] * weight);
        Surrogate {
            intercept: self.answers[output] - means.sum::<f64>(),
            fidelity: if variance > 0.0 {
                explained / variance
            } else {
                1.0
            },
            weights,
            components,
        }
    }

    /// Cholesky factor of the chosen squares plus `alpha` on the diagonal, row by row; a component that the others
    /// determine gets an infinite pivot, so that its weight is 0.
    fn factor(&self, components: &[usize], alpha: f64) -> Vec<Vec<f64>> {
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(components.len());
        for (row, &component) in components.iter().enumerate() {
            let mut line = Vec::with_capacity(row + 1);
            for (column, other) in components[..=row].iter().enumerate() {
                let known = |line: &[f64], other: &[f64]| -> f64 {
                    line.iter().zip(other).map(|(a, b)| a * b).sum()
                };
                let square = self.squares[component * self.components + other];
                if column < row {
                    let rest = square - known(&line, &factor[column][..column]);
                    line.push(rest / factor[column][column]);
                } else {
                    let rest = square + alpha - known(&line, &line);
                    let determined = rest <= 1e-10 * (square + alpha) || rest <= 0.0;
                    line.push(if determined {
                        f64::INFINITY
                    } else {
                        rest.sqrt()
                    });
                }
            }
            factor.push(line);
        }
        factor
    }

    /// Forward selection by R² of ordinary least squares, ascending by position.
    fn forward(&self, output: usize, count: usize) -> Vec<usize> {
        // What is left of squares and products when the chosen components are regressed out.
        let mut squares = self.squares.clone();
        let mut products = self.products[output * self.components..][..self.components].to_vec();
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let open = (0..self.components).filter(|at| !chosen.contains(at));
            let gain = |at: usize| {
                let own = squares[at * self.components + at];
                let whole = self.squares[at * self.components + at];
                if own > 1e-10 * whole {
                    products[at] * products[at] / own
                } else {
                    0.0
                }
            };
            // The first of equals: `max_by` would take the last.
            let best = open.rev().max_by(|&a, &b| gain(a).total_cmp(&gain(b)));
            let Some(best) = best else {
                break;
            };
            chosen.push(best);
            let own = squares[best * self.components + best];
            if gain(best) == 0.0 {
                continue;
            }
            let column: Vec<f64> = (0..self.components)
                .map(|at| squares[at * self.components + best])
                .collect();
            let product = products[best];
            for (row, left) in column.iter().enumerate() {
                products[row] -= left * product / own;
                for (at, right) in column.iter().enumerate() {
                    squares[row * self.components + at] -= left * right / own;
                }
            }
        }
        chosen.sort_unstable();
        chosen
    }

    /// The components with the largest effects at the explained point, in a model of all, ascending by position.
    fn largest(&self, output: usize, count: usize, own: &[f32]) -> Vec<usize> {
        let whole = self.ridge(output, (0..self.components).collect(), RANKING_RIDGE);
        let effect = |at: usize| (whole.weights[at] * f64::from(own[at])).abs();
        let mut order = sorted_positions(self.components, &|a, b| effect(b).total_cmp(&effect(a)));
        order.truncate(count);
        order.sort_unstable();
        order
    }
}

/// Solves `L Lᵀ x = right`.
fn solve(factor: &[Vec<f64>], mut right: Vec<f64>) -> Vec<f64> {
    for row in 0..factor.len() {
        let known: f64 = factor[row][..row]
            .iter()
            .zip(&right)
            .map(|(a, b)| a * b)
            .sum();
        right[row] = (right[row] - known) / factor[row][row];
    }
    for row in (0..factor.len()).rev() {
        let known: f64 = (row + 1..factor.len())
            .map(|below| factor[below][row] * right[below])
            .sum();
        right[row] = (right[row] - known) / factor[row][row];
    }
    right
}
