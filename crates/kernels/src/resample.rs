//! Every place of an axis as a weighted sum of places of the operand's axis: resizing, padding, cropping.

/// Where the numbers of one axis come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taps<'a> {
    /// For every place, one past its last tap.
    pub ends: &'a [u32],
    /// Places of the operand's axis.
    pub places: &'a [u32],
    /// Their weights.
    pub weights: &'a [f32],
    /// What stands in a place without taps.
    pub fill: f32,
}

/// `x[outer, extent, inner]` → `[outer, places, inner]`.
///
/// # Panics
/// If a tap is outside the axis, or `x` has another number of elements.
pub fn resample(taps: &Taps<'_>, x: &[f32], extent: usize, inner: usize) -> Vec<f32> {
    let outer = x.len() / (extent * inner).max(1);
    let mut result = vec![taps.fill; outer * taps.ends.len() * inner];
    let blocks = x.chunks_exact((extent * inner).max(1));
    let made = result.chunks_exact_mut((taps.ends.len() * inner).max(1));
    for (block, made) in blocks.zip(made) {
        let mut first = 0;
        for (out, &end) in made.chunks_exact_mut(inner.max(1)).zip(taps.ends) {
            let range = first..end as usize;
            first = range.end;
            if range.is_empty() {
                continue;
            }
            out.fill(0.0);
            let places = taps.places[range.clone()].iter();
            for (&place, &weight) in places.zip(&taps.weights[range]) {
                let from = &block[place as usize * inner..][..inner];
                if weight == 1.0 {
                    out.iter_mut().zip(from).for_each(|(out, x)| *out += x);
                } else {
                    out.iter_mut()
                        .zip(from)
                        .for_each(|(out, x)| *out += weight * x);
                }
            }
        }
    }
    result
}
