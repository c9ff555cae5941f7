//! Ready files for other platforms that run a function.

#![forbid(unsafe_code)]
