//! The tabular engine: the kit over `hyaline-model`'s evaluation graph, as one component.

use hyaline_guest::Engine;

hyaline_guest::export_engine!(Engine with_types_in hyaline_guest::bindings);
