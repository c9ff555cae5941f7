//! A function as the handler of an AWS Lambda function: the client of Lambda's runtime API.

#![forbid(unsafe_code)]
