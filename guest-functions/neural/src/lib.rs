//! The neural engine: the kit over `hyaline-model`'s evaluation graph with the operators of networks, as one component.

// Named only for its feature `neural`.
use hyaline_model as _;

use hyaline_guest::Engine;

hyaline_guest::export_engine!(Engine with_types_in hyaline_guest::bindings);
