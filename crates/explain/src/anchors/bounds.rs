//! Confidence bounds of a share, from the Kullback-Leibler divergence of Bernoulli distributions (Kaufmann &
//! Kalyanakrishnan 2013, proceedings.mlr.press/v30/Kaufmann13).

/// Hits among tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) hits: u64,
    pub(super) tries: u64,
}

impl Tally {
    /// Counts samples, each with whether it hit.
    pub(super) fn of(samples: &[(u32, bool)]) -> Tally {
        Tally {
            hits: samples.iter().filter(|(_, hit)| *hit).count() as u64,
            tries: samples.len() as u64,
        }
    }

    /// The share of hits; 0 before the first try.
    pub(super) fn share(self) -> f64 {
        self.hits as f64 / self.tries.max(1) as f64
    }

    /// The largest share that is at most `level` away, `level` being a divergence times tries.
    pub(super) fn upper(self, level: f64) -> f64 {
        if self.tries == 0 {
            return 1.0;
        }
        bound(self.share(), 1.0, level / self.tries as f64)
    }

    /// The smallest such share.
    pub(super) fn lower(self, level: f64) -> f64 {
        if self.tries == 0 {
            return 0.0;
        }
        bound(self.share(), 0.0, level / self.tries as f64)
    }
}

/// Halvings of the interval. A bound errs to the safe side, by 1/4096 of the interval at most.
const HALVINGS: u32 = 12;

/// The share between `share` and `end` whose divergence is `level`.
fn bound(share: f64, end: f64, level: f64) -> f64 {
    let (mut inside, mut outside) = (share, end);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (inside + outside);
        if divergence(share, middle) > level {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    outside
}

/// The divergence of a Bernoulli distribution of share `p` from one of share `q`, in nats.
fn divergence(p: f64, q: f64) -> f64 {
    let term = |p: f64, q: f64| match p {
        0.0 => 0.0,
        _ => p * libm::log(p / q),
    };
    term(p, q) + term(1.0 - p, 1.0 - q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_where_the_divergence_is_the_level() {
        // alibi 0.9.6: AnchorBaseBeam.dup_bernoulli(0.9, 0.023) and dlow_bernoulli of the same.
        let tally = Tally {
            hits: 90,
            tries: 100,
        };
        assert!(
            (tally.upper(2.3) - 0.952_1).abs() < 3e-4,
            "{}",
            tally.upper(2.3)
        );
        assert!(
            (tally.lower(2.3) - 0.823_8).abs() < 3e-4,
            "{}",
            tally.lower(2.3)
        );
        for share in [tally.upper(2.3), tally.lower(2.3)] {
            assert!((divergence(0.9, share) - 0.023).abs() < 3e-4);
        }
    }

    #[test]
    fn all_or_nothing_is_bounded_on_the_other_side() {
        let all = Tally {
            hits: 50,
            tries: 50,
        };
        assert!((all.lower(2.3) - libm::exp(-2.3 / 50.0)).abs() < 1e-3);
        assert!(all.upper(2.3) > 0.9999);
        let none = Tally { hits: 0, tries: 50 };
        assert!(none.lower(2.3) < 1e-3 && (none.upper(2.3) - 0.045).abs() < 1e-3);
        let unknown = Tally::default();
        assert_eq!((unknown.lower(1.0), unknown.upper(1.0)), (0.0, 1.0));
    }
}
