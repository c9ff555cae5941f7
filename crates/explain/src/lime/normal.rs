//! The normal distribution, and what is left of it between two bounds.

use std::f64::consts::FRAC_1_SQRT_2;

/// A distribution by its quantile function: straight lines between exact values, but exact near both ends, where the
/// function bends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantiles {
    low: f64,
    high: f64,
    mean: f64,
    deviation: f64,
    /// Probability below `low`.
    below: f64,
    /// Probability between the bounds.
    between: f64,
    /// Values at equal steps of probability.
    knots: Vec<f64>,
    /// Steps at each end whose values are computed.
    exact: usize,
}

impl Quantiles {
    /// Normal numbers between two bounds, of a mean between them.
    pub(super) fn truncated(low: f64, high: f64, mean: f64, deviation: f64) -> Quantiles {
        let probability = |bound: f64| match deviation > 0.0 {
            true => cumulative((bound - mean) / deviation),
            false => 0.5,
        };
        let below = probability(low);
        let quantiles = Quantiles {
            low,
            high,
            mean,
            deviation,
            below,
            between: probability(high) - below,
            knots: Vec::new(),
            exact: 1,
        };
        quantiles.with_steps(32)
    }

    /// Standard normal numbers.
    pub(super) fn standard() -> Quantiles {
        let quantiles = Quantiles {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            mean: 0.0,
            deviation: 1.0,
            below: 0.0,
            between: 1.0,
            knots: Vec::new(),
            exact: 4,
        };
        quantiles.with_steps(512)
    }

    fn with_steps(mut self, steps: usize) -> Quantiles {
        let knots = (0..=steps).map(|step| self.exactly(step as f64 / steps as f64));
        self.knots = knots.collect();
        self
    }

    /// The value with share `unit`, from 0 to 1, of the probability below it.
    pub(super) fn at(&self, unit: f64) -> f64 {
        let steps = self.knots.len() - 1;
        let place = unit * steps as f64;
        let step = place as usize;
        if step < self.exact || step + self.exact >= steps {
            return self.exactly(unit);
        }
        let (low, high) = (self.knots[step], self.knots[step + 1]);
        low + (place - step as f64) * (high - low)
    }

    fn exactly(&self, unit: f64) -> f64 {
        let value = self.mean + self.deviation * quantile(self.below + unit * self.between);
        value.clamp(self.low, self.high)
    }
}

/// The probability of a standard normal number below `x`.
fn cumulative(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The number below which a standard normal number is with `probability`, from 0 to 1 (Wichura 1988, algorithm AS 241,
/// doi:10.2307/2347330): about 16 digits.
fn quantile(probability: f64) -> f64 {
    let centred = probability - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180_625 - centred * centred;
        return centred * polynomial(&CENTRE.0, r) / polynomial(&CENTRE.1, r);
    }
    let tail = probability.min(1.0 - probability).max(f64::MIN_POSITIVE);
    let r = (-libm::log(tail)).sqrt();
    let size = if r <= 5.0 {
        polynomial(&TAIL.0, r - 1.6) / polynomial(&TAIL.1, r - 1.6)
    } else {
        polynomial(&FAR_TAIL.0, r - 5.0) / polynomial(&FAR_TAIL.1, r - 5.0)
    };
    size.copysign(centred)
}

/// Coefficients from the constant upwards.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Numerator and denominator.
type Rational = ([f64; 8], [f64; 8]);

const CENTRE: Rational = (
    [
        3.387_132_872_796_366_6,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_545,
    ],
);

const TAIL: Rational = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

const FAR_TAIL: Rational = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_9,
        0.026_532_189_526_576_124,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_887_9,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_scipy() {
        // scipy 1.18.1: scipy.stats.norm.ppf
        for (probability, expected) in [
            (0.5, 0.0),
            (0.6, 0.253_347_103_135_799_7),
            (0.925, 1.439_531_470_938_456),
            (0.08, -1.405_071_560_309_632_7),
            (0.01, -2.326_347_874_040_840_8),
            (1e-9, -5.997_807_015_007_686_5),
            (1e-30, -11.464_024_688_443_613),
        ] {
            let found = quantile(probability);
            assert!(
                (found - expected).abs() <= 1e-13 * expected.abs().max(1.0),
                "{probability}: {found}"
            );
            assert!(
                (cumulative(found) - probability).abs() <= 1e-13 * probability,
                "{probability}"
            );
        }
        assert!(quantile(0.0) < -37.0 && quantile(1.0) > 8.0);
    }

    #[test]
    fn a_truncated_normal_stays_between_its_bounds_and_keeps_its_median() {
        let truncated = Quantiles::truncated(1.0, 4.0, 2.0, 1.5);
        assert_eq!((truncated.at(0.0), truncated.at(1.0)), (1.0, 4.0));
        // scipy 1.18.1: truncnorm.ppf(0.5, -2/3, 4/3, loc=2, scale=1.5)
        assert!((truncated.at(0.5) - 2.305_299_064_292_91).abs() < 1e-12);
        let point = Quantiles::truncated(3.0, 3.0, 3.0, 0.0);
        assert_eq!(point.at(0.3), 3.0);
    }

    #[test]
    fn lines_between_quantiles_are_where_the_probability_is() {
        let normal = Quantiles::standard();
        for unit in (1..10_000).map(|step| f64::from(step) / 10_000.0) {
            let standard = cumulative(normal.at(unit));
            assert!((standard - unit).abs() < 1e-4, "{unit}: {standard}");
        }
        let tail = Quantiles::truncated(0.0, 6.0, 0.7, 0.5);
        let inside = |x: f64| cumulative((x - 0.7) / 0.5);
        for unit in (1..10_000).map(|step| f64::from(step) / 10_000.0) {
            let found = (inside(tail.at(unit)) - inside(0.0)) / (inside(6.0) - inside(0.0));
            assert!((found - unit).abs() < 3e-3, "{unit}: {found}");
        }
    }
}
