//! Global explanations of packed models beside scikit-learn's, alibi's and plain definitions, and the quality of local
//! ones.

mod curves;
mod importance;
mod packed;
mod prototypes;
mod quality;
