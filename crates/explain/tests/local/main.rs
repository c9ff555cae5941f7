//! Explanations by example and rule, against exhaustive search and what `lime`, `alibi` and `dice-ml` say.

mod black_box;
mod counterfactuals;
