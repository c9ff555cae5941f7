//! Explanations by example and rule, against exhaustive search and what `lime`, `alibi` and `dice-ml` say.

mod anchors;
mod black_box;
mod counterfactuals;
mod lime;
#[path = "../global/packed.rs"]
mod packed;
