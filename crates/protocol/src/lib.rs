//! Bytes ⇄ answers: every request format a function understands, and the router between them. No transport.
//!
//! [`Function::from_image`] makes a function of a model image; [`respond`] answers a request to it. Both are pure: the
//! same image and the same request give the same bytes on every host.
//!
//! | module | speaks |
//! |---|---|
//! | [`rows`] | objects, lists, `instances`, `dataframe_split`, CSV → checked rows |
//! | `native` | `/predict`, `/explain` |
//! | `counterfactual` | `/counterfactual` |
//! | `lime` | `/explain?method=lime` of tables |
//! | `anchor` | `/anchor` |
//! | `importance`, `dependence`, `prototypes` | `/importance`, `/dependence`, `/prototypes`: the model as a whole |
//! | `v1` | KServe V1 |
//! | `v2` | Open Inference Protocol V2, JSON and binary tensors |
//! | `mlflow` | `/ping`, `/invocations` of MLflow and SageMaker containers |
//! | `documents` | JSON Schema of a row, OpenAPI of the function, the page |

#![forbid(unsafe_code)]

mod anchor;
mod card;
mod counterfactual;
mod dependence;
mod digest;
mod documents;
mod function;
mod http;
mod importance;
mod json;
mod lime;
mod media;
mod mlflow;
mod native;
mod options;
mod parameters;
mod path;
#[cfg(feature = "images")]
mod pictures;
mod prototypes;
mod refusal;
mod render;
mod router;
pub mod rows;
mod text;
mod uncertainty;
mod v1;
mod v2;

pub use function::{Function, FunctionError};
pub use http::{Body, HEADERS, Request, Response};
pub use refusal::{Place, Refusal};
pub use router::respond;
