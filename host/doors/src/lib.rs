//! Other platforms' ways to call a function, as pure translations: AWS Lambda, SageMaker, KServe, Azure.

#![forbid(unsafe_code)]
