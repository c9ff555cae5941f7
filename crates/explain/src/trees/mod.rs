//! Exact Shapley values of tree ensembles, per raw feature.
//!
//! Two games are offered. *Interventional*: an absent feature takes its value from a background row; the base value is
//! the mean margin of the background (Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9). *Path-dependent*: at a split
//! on an absent feature both children are taken, by the share of the training weight that went there; no background is
//! needed (Lundberg et al. 2018, arXiv:1802.03888). All columns encoded from one raw feature are one player of the game.

mod background;
mod cohort_walk;
mod cohorts;
mod edges;
mod forest;
mod fork_walk;
mod interactions;
mod leaf_game;
mod quadrature;
mod quadrature_walk;
mod tables;

use std::sync::Arc;

use hyaline_model::trees::{Aggregate, TreeEnsemble};

use background::BinnedBackground;
use cohort_walk::CohortWalk;
use cohorts::Cohorts;
use forest::{DEPTH_LIMIT, Forest, PLAYERS_ON_PATH_LIMIT};
use fork_walk::ForkWalk;
use interactions::Interactions;
use quadrature_walk::QuadratureWalk;
use tables::{Absence, LANES, Lane, Tables};

/// Why an ensemble is not explained by its trees.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TreeExplainError {
    /// The margin is not a sum over trees.
    #[error("TreeSHAP needs margins that add up over the trees; this ensemble takes the {} of its leaves", aggregate_name(.0))]
    NotAdditive(Aggregate),
    /// The ensemble has no covers.
    #[error(
        "path-dependent TreeSHAP needs the training weight of every node, which this ensemble lacks; give a background \
         (interventional), count covers from data, or import the native LightGBM or XGBoost file"
    )]
    NoCovers,
    /// The background is empty or no whole number of rows.
    #[error(
        "the background has {numbers} numbers for rows of {columns} columns; give at least one whole row"
    )]
    Background {
        /// Numbers given.
        numbers: usize,
        /// Columns of the encoded matrix.
        columns: usize,
    },
    /// The map from columns to features has another length than the matrix.
    #[error("{given} columns are mapped to features, the ensemble reads {columns}")]
    ColumnFeatures {
        /// Length of the map.
        given: usize,
        /// Columns of the encoded matrix.
        columns: usize,
    },
    /// The map names a feature that does not exist.
    #[error("column {column} is mapped to feature {feature} of {features}")]
    NoSuchFeature {
        /// Column of the encoded matrix.
        column: usize,
        /// The feature it is mapped to.
        feature: u32,
        /// How many features there are.
        features: usize,
    },
    /// A path is longer than walks go.
    #[error(
        "a tree is deeper than {DEPTH_LIMIT} splits; explain it by sampling, or train with a depth limit"
    )]
    TooDeep,
    /// A path tests more features than walks count.
    #[error(
        "a path tests {players} different features, exact values are computed for up to {PLAYERS_ON_PATH_LIMIT}; \
         explain it by sampling, or train with a depth limit"
    )]
    TooManyPlayers {
        /// Features on the longest path.
        players: usize,
    },
}

fn aggregate_name(aggregate: &Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Sum => "sum",
        Aggregate::Average => "average",
        Aggregate::Minimum => "minimum",
        Aggregate::Maximum => "maximum",
    }
}

/// An ensemble prepared for explanations of one kind.
///
/// Unit: the ensemble's margins. For every row and output, `base_values[o] + Σ_f attributions[f, o]` is the margin.
pub struct TreeExplainer {
    forest: Forest,
    base_values: Vec<f64>,
    /// What absent features are replaced by; `None` for path-dependent explanations.
    background: Option<Arc<BinnedBackground>>,
    tables: Tables,
    walk: Option<Walk>,
}

/// How trees without tables are explained.
enum Walk {
    Fork(ForkWalk),
    Quadrature(QuadratureWalk),
    Cohort(CohortWalk),
    Cohorts(Cohorts),
}

impl TreeExplainer {
    /// Explanations against `background`, encoded rows `[rows, columns]`; `column_feature` tells the raw feature, below
    /// `features`, behind each column. Tables take at most `budget` bytes.
    ///
    /// # Errors
    /// [`TreeExplainError`] when the ensemble is not additive, the background empty, or a path too long.
    pub fn interventional(
        ensemble: &TreeEnsemble,
        column_feature: &[u32],
        features: usize,
        background: &[f64],
        budget: usize,
    ) -> Result<TreeExplainer, TreeExplainError> {
        let forest = Forest::new(ensemble, column_feature, features)?;
        let columns = ensemble.columns();
        if columns == 0 || background.is_empty() || !background.len().is_multiple_of(columns) {
            return Err(TreeExplainError::Background {
                numbers: background.len(),
                columns,
            });
        }
        let rows = background.len() / columns;
        let mut margins = vec![0.0; rows * ensemble.outputs()];
        ensemble.evaluate(background, &mut margins);
        let mean = |output| {
            margins
                .iter()
                .skip(output)
                .step_by(ensemble.outputs())
                .sum::<f64>()
                / rows as f64
        };
        let base_values = (0..ensemble.outputs()).map(mean).collect();
        let binned = Arc::new(BinnedBackground::new(forest.binning(), background, columns));
        let plan = tables::plan(&forest, budget);
        let tables = tables::build(&forest, &plan, Absence::Background(&binned));
        let shallow = forest.depth <= cohort_walk::DEPTH_LIMIT
            && forest.players_on_path <= cohort_walk::PLAYERS_LIMIT;
        let fast = shallow && binned.rows() <= cohort_walk::ROWS_LIMIT;
        let walk = match (plan.others.is_empty(), fast) {
            (true, _) => None,
            (false, true) => Some(Walk::Cohort(CohortWalk::new(
                &forest,
                &plan.others,
                binned.clone(),
            ))),
            (false, false) => Some(Walk::Cohorts(Cohorts::new(
                &forest,
                &plan.others,
                binned.clone(),
            ))),
        };
        Ok(TreeExplainer {
            forest,
            base_values,
            background: Some(binned),
            tables,
            walk,
        })
    }

    /// Explanations by the ensemble's own covers; `column_feature` tells the raw feature, below `features`, behind each
    /// column. Siblings that no training row reached have equal shares. Tables take at most `budget` bytes.
    ///
    /// # Errors
    /// [`TreeExplainError`] when the ensemble is not additive, has no covers, or a path is too long.
    pub fn path_dependent(
        ensemble: &TreeEnsemble,
        column_feature: &[u32],
        features: usize,
        budget: usize,
    ) -> Result<TreeExplainer, TreeExplainError> {
        let forest = Forest::new(ensemble, column_feature, features)?;
        if ensemble.parts().covers.is_none() {
            return Err(TreeExplainError::NoCovers);
        }
        let base_values = forest.expected();
        let plan = tables::plan(&forest, budget);
        let tables = tables::build(&forest, &plan, Absence::Shares);
        let shallow = forest.depth <= fork_walk::DEPTH_LIMIT
            && forest.players_on_path <= fork_walk::PLAYERS_LIMIT;
        let walk = match (plan.others.is_empty(), shallow) {
            (true, _) => None,
            (false, true) => Some(Walk::Fork(ForkWalk::new(&forest, &plan.others))),
            (false, false) => Some(Walk::Quadrature(QuadratureWalk::new(&forest, &plan.others))),
        };
        Ok(TreeExplainer {
            forest,
            base_values,
            background: None,
            tables,
            walk,
        })
    }

    /// `[outputs]`: the expected margin when every feature is absent.
    pub fn base_values(&self) -> &[f64] {
        &self.base_values
    }

    /// How rows are explained, in words.
    pub fn algorithm(&self) -> &'static str {
        match (&self.walk, self.tables.is_empty()) {
            (None, _) => "tables over decision patterns",
            (Some(Walk::Fork(_) | Walk::Quadrature(_)), true) => "quadrature along the trees",
            (Some(Walk::Fork(_) | Walk::Quadrature(_)), false) => {
                "tables over decision patterns, quadrature along large trees"
            }
            (Some(Walk::Cohort(_) | Walk::Cohorts(_)), true) => {
                "cohorts of background rows along the trees"
            }
            (Some(Walk::Cohort(_) | Walk::Cohorts(_)), false) => {
                "tables over decision patterns, cohorts of background rows along large trees"
            }
        }
    }

    /// Bytes that the prepared tables and walks take.
    pub fn bytes(&self) -> usize {
        let walk = match &self.walk {
            None => 0,
            Some(Walk::Fork(walk)) => walk.bytes(),
            Some(Walk::Quadrature(walk)) => walk.bytes(),
            Some(Walk::Cohort(walk)) => walk.bytes(),
            Some(Walk::Cohorts(walk)) => walk.bytes(),
        };
        self.tables.bytes() + walk
    }

    /// Writes `attributions`, `[rows, features, outputs]`, of the encoded rows `[rows, columns]`. A row's values have the
    /// same bits in every batch.
    ///
    /// # Panics
    /// If `encoded` and `attributions` are not of the same number of rows.
    pub fn explain(&self, encoded: &[f64], attributions: &mut [f64]) {
        let columns = self.forest.ensemble().columns();
        let width = self.forest.players * self.forest.outputs();
        assert_eq!(
            encoded.len() * width,
            attributions.len() * columns,
            "as many rows as attributions"
        );
        if width == 0 || columns == 0 {
            return;
        }
        let mut lanes = Lanes::default();
        for (encoded, attributions) in encoded
            .chunks(LANES * columns)
            .zip(attributions.chunks_mut(LANES * width))
        {
            if attributions.len() > LANES_WORTH * width {
                self.explain_lanes(encoded, &mut lanes, attributions);
            } else {
                for (row, attributions) in encoded
                    .chunks_exact(columns)
                    .zip(attributions.chunks_exact_mut(width))
                {
                    self.explain_row(row, attributions);
                }
            }
        }
    }

    /// Writes the Shapley interaction values `[rows, features, features, outputs]` of the encoded rows `[rows, columns]`.
    ///
    /// Symmetric; an entry off the diagonal is half of the pair's interaction index, as in `shap`; a feature's entries sum
    /// to its attribution. Time grows with leaves × (features on a path)².
    ///
    /// # Panics
    /// If `encoded` and `interactions` are not of the same number of rows.
    pub fn interactions(&self, encoded: &[f64], interactions: &mut [f64]) {
        let columns = self.forest.ensemble().columns();
        let width = self.forest.players * self.forest.players * self.forest.outputs();
        assert_eq!(
            encoded.len() * width,
            interactions.len() * columns,
            "as many rows as interactions"
        );
        if width == 0 || columns == 0 {
            return;
        }
        let mut bins = vec![0; self.forest.binning().bins()];
        let mut walk = Interactions::new(&self.forest, self.background.as_deref());
        for (row, interactions) in encoded
            .chunks_exact(columns)
            .zip(interactions.chunks_exact_mut(width))
        {
            self.forest.binning().translate(row, &mut bins, 1, 0);
            walk.explain(&bins, interactions);
        }
    }

    fn explain_row(&self, row: &[f64], attributions: &mut [f64]) {
        let mut bins = vec![0; self.forest.binning().bins()];
        self.forest.binning().translate(row, &mut bins, 1, 0);
        let mut sums = vec![0; attributions.len()];
        self.tables.explain(&bins, &mut sums);
        let units = self.tables.units().iter().cycle();
        for ((attribution, sum), unit) in attributions.iter_mut().zip(sums).zip(units) {
            *attribution = sum as f64 * unit;
        }
        self.walk(&bins, attributions);
    }

    fn explain_lanes(&self, encoded: &[f64], lanes: &mut Lanes, attributions: &mut [f64]) {
        let Forest { players, .. } = self.forest;
        let (columns, outputs) = (self.forest.ensemble().columns(), self.forest.outputs());
        let width = players * outputs;
        lanes.bins.clear();
        lanes.bins.resize(self.forest.binning().bins(), [0; LANES]);
        lanes.sums.clear();
        lanes.sums.resize(width, [0; LANES]);
        for (lane, row) in encoded.chunks_exact(columns).enumerate() {
            self.forest
                .binning()
                .translate(row, lanes.bins.as_flattened_mut(), LANES, lane);
        }
        self.tables.explain_lanes(&lanes.bins, &mut lanes.sums);
        for (lane, attributions) in attributions.chunks_exact_mut(width).enumerate() {
            let units = self.tables.units().iter().cycle();
            for ((attribution, sums), unit) in attributions.iter_mut().zip(&lanes.sums).zip(units) {
                *attribution = sums[lane] as f64 * unit;
            }
            if self.walk.is_some() {
                let bins: Vec<i16> = lanes.bins.iter().map(|bins| bins[lane]).collect();
                self.walk(&bins, attributions);
            }
        }
    }

    /// Adds the values of the trees that have no tables.
    fn walk(&self, bins: &[i16], attributions: &mut [f64]) {
        match &self.walk {
            None => {}
            Some(Walk::Fork(walk)) => walk.explain(bins, attributions),
            Some(Walk::Quadrature(walk)) => walk.explain(bins, attributions),
            Some(Walk::Cohort(walk)) => walk.explain(bins, attributions),
            Some(Walk::Cohorts(walk)) => walk.explain(bins, attributions),
        }
    }
}

/// From how many rows on a block of lanes is faster than one row after the other.
const LANES_WORTH: usize = 24;

/// Memory for a block of rows.
#[derive(Default)]
struct Lanes {
    bins: Vec<Lane<i16>>,
    sums: Vec<Lane<i64>>,
}
