//! Random ensembles with every kind of split, and random rows that hit its edges.

use hyaline_model::trees::{
    Aggregate, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight,
};

/// SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn value(&mut self) -> f64 {
        match self.below(12) {
            0 => f64::NAN,
            1 => 0.0,
            2 => 1e-36,
            _ => self.below(17) as f64 / 2.0 - 3.0,
        }
    }

    pub fn rows(&mut self, rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns).map(|_| self.value()).collect()
    }
}

/// What kind of ensemble to grow.
#[derive(Clone, Copy)]
pub struct Kind {
    pub trees: usize,
    pub columns: usize,
    pub outputs: usize,
    pub depth: usize,
    pub aggregate: Aggregate,
}

pub fn ensemble(random: &mut Random, kind: Kind) -> TreeEnsemble {
    let mut parts = EnsembleParts {
        columns: kind.columns as u32,
        outputs: kind.outputs as u32,
        roots: Vec::new(),
        nodes: Vec::new(),
        weights: Vec::new(),
        sets: vec![
            vec![],
            vec![0.0, 2.0],
            vec![-3.0, -0.5, 1.0, 4.5],
            vec![1.5, 2.0, 3.0],
        ],
        covers: None,
        base: (0..kind.outputs)
            .map(|output| output as f64 / 3.0)
            .collect(),
        aggregate: kind.aggregate,
    };
    for _ in 0..kind.trees {
        let root = grow(random, &mut parts, kind.depth);
        parts.roots.push(root);
    }
    parts.covers = Some(covers(random, &parts));
    TreeEnsemble::new(parts).expect("grown trees are trees")
}

/// One tree that is a single path of `depth` splits, on the columns in turn.
pub fn chain(random: &mut Random, columns: usize, depth: usize) -> TreeEnsemble {
    let mut parts = EnsembleParts {
        columns: columns as u32,
        outputs: 1,
        roots: vec![0],
        nodes: Vec::new(),
        weights: Vec::new(),
        sets: Vec::new(),
        covers: None,
        base: vec![0.25],
        aggregate: Aggregate::Sum,
    };
    for level in 0..=depth {
        let first = parts.weights.len() as u32;
        parts.weights.push(Weight {
            output: 0,
            value: random.below(1000) as f64 / 7.0 - 60.0,
        });
        let leaf = Node::Leaf(Leaf { first, count: 1 });
        if level < depth {
            // Values are seldom beyond the threshold, so that rows get far down.
            let (test, next) = (
                Test::AtMost(3.0 + random.below(4) as f64 / 2.0),
                2 * level as u32 + 2,
            );
            let column = (level % columns) as u32;
            let (missing_goes_yes, zero_is_missing) = (random.below(4) != 0, false);
            let split = Split {
                column,
                test,
                missing_goes_yes,
                zero_is_missing,
                yes: next,
                no: next - 1,
            };
            parts.nodes.push(Node::Split(split));
        }
        parts.nodes.push(leaf);
    }
    parts.covers = Some(covers(random, &parts));
    TreeEnsemble::new(parts).expect("a path is a tree")
}

fn grow(random: &mut Random, parts: &mut EnsembleParts, depth: usize) -> u32 {
    let index = parts.nodes.len() as u32;
    parts.nodes.push(Node::Leaf(Leaf { first: 0, count: 0 }));
    if depth == 0 || random.below(8) == 0 {
        let outputs = parts.outputs as usize;
        let first = parts.weights.len() as u32;
        let count = if outputs == 1 {
            1
        } else {
            random.below(outputs + 1)
        };
        for _ in 0..count {
            let weight = Weight {
                output: random.below(outputs) as u32,
                value: random.below(1000) as f64 / 7.0 - 60.0,
            };
            parts.weights.push(weight);
        }
        parts.nodes[index as usize] = Node::Leaf(Leaf {
            first,
            count: count as u32,
        });
        return index;
    }
    let threshold = random.value();
    let threshold = if threshold.is_nan() { 1.0 } else { threshold };
    let set = random.below(parts.sets.len()) as u32;
    let test = match random.below(8) {
        0..3 => Test::AtMost(threshold),
        3..5 => Test::Below(threshold),
        5 => Test::Equal(threshold),
        6 => Test::Member(set),
        _ => Test::TruncatedMember(set),
    };
    let split = Split {
        column: random.below(parts.columns as usize) as u32,
        test,
        missing_goes_yes: random.below(2) == 0,
        zero_is_missing: random.below(3) == 0,
        yes: grow(random, parts, depth - 1),
        no: grow(random, parts, depth - 1),
    };
    parts.nodes[index as usize] = Node::Split(split);
    index
}

/// Covers that add up, a tenth of the nodes reached by no training row.
fn covers(random: &mut Random, parts: &EnsembleParts) -> Vec<f64> {
    let mut covers = vec![0.0; parts.nodes.len()];
    for &root in &parts.roots {
        covers[root as usize] = 1000.0;
    }
    for (index, node) in parts.nodes.iter().enumerate() {
        if let Node::Split(split) = node {
            let share = [0.0, 1.0, 0.25, 0.5, 0.5, 0.7, 0.9, 0.1, 0.33, 0.8][random.below(10)];
            covers[split.yes as usize] = covers[index] * share;
            covers[split.no as usize] = covers[index] * (1.0 - share);
        }
    }
    covers
}
