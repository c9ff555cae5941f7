//! Documents about the function that do not change: made once, when the model is loaded.

mod openapi;
pub(crate) mod page;
mod schema;

use hyaline_model::Model;

use crate::card::Card;
pub(crate) use openapi::Abilities;

/// The fixed documents of a function.
#[derive(Debug)]
pub(crate) struct Documents {
    schema: String,
    openapi: String,
}

impl Documents {
    pub(crate) fn new(model: &Model, card: &Card, abilities: Abilities<'_>) -> Documents {
        let schema = schema::row(model, card);
        let openapi = openapi::document(model, card, &schema, abilities);
        Documents { schema, openapi }
    }

    /// JSON Schema (2020-12) of one row.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// OpenAPI 3.1 of the whole function.
    pub(crate) fn openapi(&self) -> &str {
        &self.openapi
    }
}
