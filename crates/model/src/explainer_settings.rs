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
    /// Sampled: a regression over coalitions drawn by leverage scores (Musco & Witter 2025, arXiv:2410.01917).
    Leverage,
    /// Sampled: KernelSHAP with paired coalitions (Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2021,
    /// arXiv:2012.01536).
    Kernel,
    /// Sampled: a regression whose misses are estimated without bias (Witter et al. 2025, arXiv:2506.11849).
    RegressionAdjusted,
    /// Sampled: antithetic permutations (Mitchell et al. 2022, arXiv:2104.12199).
    Permutation,
    /// Owen values (Owen 1977, doi:10.1007/978-3-642-45494-3_7): groups of features are players first, then the features
    /// within each. Every coalition when they are few, else sampled.
    Owen,
    /// Integrated gradients from the mean of the background (Sundararajan et al. 2017, arXiv:1703.01365).
    IntegratedGradients,
}

impl Method {
    /// Every method, in the order in which they are preferred.
    pub const ALL: [Method; 10] = [
        Method::Interventional,
        Method::PathDependent,
        Method::Linear,
        Method::Enumeration,
        Method::Leverage,
        Method::Kernel,
        Method::RegressionAdjusted,
        Method::Permutation,
        Method::Owen,
        Method::IntegratedGradients,
    ];

    /// The method's name in requests, answers, recipes and cards.
    pub fn name(self) -> &'static str {
        match self {
            Method::Interventional => "interventional",
            Method::PathDependent => "path-dependent",
            Method::Linear => "linear",
            Method::Enumeration => "enumeration",
            Method::Leverage => "leverage",
            Method::Kernel => "kernel",
            Method::RegressionAdjusted => "regression-adjusted",
            Method::Permutation => "permutation",
            Method::Owen => "owen",
            Method::IntegratedGradients => "integrated-gradients",
        }
    }

    /// The method called `name`.
    pub fn from_name(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether coalitions are drawn at random, so that an answer has a seed and standard errors. Owen values are drawn
    /// only when there are too many coalitions to play them all.
    pub fn is_sampled(self) -> bool {
        matches!(
            self,
            Method::Leverage
                | Method::Kernel
                | Method::RegressionAdjusted
                | Method::Permutation
                | Method::Owen
        )
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
