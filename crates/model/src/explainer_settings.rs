//! What the packer decides about explanations; it travels in the image, so that native and packed explainers are alike.

use borsh::{BorshDeserialize, BorshSerialize};

/// How attributions are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Method {
    /// Exact TreeSHAP against the background (Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9).
    Interventional,
    /// Exact TreeSHAP conditional on the training covers of each path (Lundberg et al. 2018, arXiv:1802.03888).
    PathDependent,
    /// Closed form of a linear model.
    Linear,
    /// Every coalition, against the background.
    Enumeration,
}

impl Method {
    /// Every method, in the order in which they are preferred.
    pub const ALL: [Method; 4] = [
        Method::Interventional,
        Method::PathDependent,
        Method::Linear,
        Method::Enumeration,
    ];

    /// The method's name in requests, answers and recipes.
    pub fn name(self) -> &'static str {
        match self {
            Method::Interventional => "interventional",
            Method::PathDependent => "path-dependent",
            Method::Linear => "linear",
            Method::Enumeration => "enumeration",
        }
    }
}

/// Choices of the recipe that shape the explainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExplainerSettings {
    /// The method a request gets that names none; `None` chooses by the model.
    pub method: Option<Method>,
    /// Most bytes the tables of the default tree method may take; beyond it a slower method with small memory is used.
    pub table_budget: u64,
    /// Most raw features for which every coalition is evaluated without being asked.
    pub enumeration_limit: u32,
}

impl Default for ExplainerSettings {
    /// Method by the model, 24 MiB of tables, enumeration up to 12 features.
    fn default() -> ExplainerSettings {
        ExplainerSettings {
            method: None,
            table_budget: 24 << 20,
            enumeration_limit: 12,
        }
    }
}
