//! Who may call a function and how often: API keys, tokens, rates, quotas, CORS, mappings.

#![forbid(unsafe_code)]
