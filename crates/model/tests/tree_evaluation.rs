//! The evaluation kernels against a plain walk over the splits, on random ensembles.

use hyaline_model::trees::{
    Aggregate, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight,
};

/// SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn value(&mut self) -> f64 {
        match self.below(12) {
            0 => f64::NAN,
            1 => 0.0,
            2 => 1e-36,
            _ => self.below(17) as f64 / 2.0 - 3.0,
        }
    }
}

const COLUMNS: usize = 5;

fn grow(random: &mut Random, parts: &mut EnsembleParts, depth: usize) -> u32 {
    let index = parts.nodes.len() as u32;
    parts.nodes.push(Node::Leaf(Leaf {
        first: parts.weights.len() as u32,
        count: 0,
    }));
    if depth == 0 || random.below(5) == 0 {
        let outputs = parts.outputs as usize;
        let first = parts.weights.len() as u32;
        let count = if outputs == 1 {
            1
        } else {
            random.below(outputs + 1)
        };
        for _ in 0..count {
            parts.weights.push(Weight {
                output: random.below(outputs) as u32,
                value: random.below(1000) as f64 / 7.0 - 60.0,
            });
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
    let test = [
        Test::AtMost(threshold),
        Test::Below(threshold),
        Test::Equal(threshold),
        Test::Member(set),
        Test::TruncatedMember(set),
    ][random.below(5)];
    let yes = grow(random, parts, depth - 1);
    let no = grow(random, parts, depth - 1);
    parts.nodes[index as usize] = Node::Split(Split {
        column: random.below(COLUMNS) as u32,
        test,
        missing_goes_yes: random.below(2) == 0,
        zero_is_missing: random.below(3) == 0,
        yes,
        no,
    });
    index
}

fn ensemble(
    random: &mut Random,
    trees: usize,
    outputs: usize,
    aggregate: Aggregate,
) -> TreeEnsemble {
    let mut parts = EnsembleParts {
        columns: COLUMNS as u32,
        outputs: outputs as u32,
        roots: Vec::new(),
        nodes: Vec::new(),
        weights: Vec::new(),
        sets: vec![
            vec![],
            vec![0.0, 2.0],
            vec![-3.0, -0.5, 1.0, 4.5],
            vec![1.5],
        ],
        covers: None,
        base: (0..outputs).map(|output| output as f64 / 3.0).collect(),
        aggregate,
    };
    for _ in 0..trees {
        let depth = random.below(9);
        let root = grow(random, &mut parts, depth);
        parts.roots.push(root);
    }
    TreeEnsemble::new(parts).expect("grown trees are trees")
}

fn leaf_of(ensemble: &TreeEnsemble, root: u32, row: &[f64]) -> usize {
    let parts = ensemble.parts();
    let mut at = root as usize;
    while let Node::Split(split) = &parts.nodes[at] {
        at = if split.holds(row[split.column as usize], &parts.sets) {
            split.yes
        } else {
            split.no
        } as usize;
    }
    at
}

fn plain_walk(ensemble: &TreeEnsemble, row: &[f64]) -> Vec<f64> {
    let parts = ensemble.parts();
    let mut spoken = vec![Vec::new(); ensemble.outputs()];
    for &root in &parts.roots {
        let Node::Leaf(leaf) = parts.nodes[leaf_of(ensemble, root, row)] else {
            unreachable!("walks end in leaves")
        };
        for weight in &parts.weights[leaf.first as usize..(leaf.first + leaf.count) as usize] {
            spoken[weight.output as usize].push(weight.value);
        }
    }
    let margin = |spoken: &Vec<f64>| match parts.aggregate {
        Aggregate::Sum => spoken.iter().sum(),
        Aggregate::Average => spoken.iter().sum::<f64>() / parts.roots.len() as f64,
        Aggregate::Minimum => spoken.iter().copied().reduce(f64::min).unwrap_or(0.0),
        Aggregate::Maximum => spoken.iter().copied().reduce(f64::max).unwrap_or(0.0),
    };
    spoken
        .iter()
        .map(margin)
        .zip(&parts.base)
        .map(|(margin, base)| margin + base)
        .collect()
}

#[test]
fn prop_kernels_answer_as_a_plain_walk_whatever_the_batch() {
    let mut random = Random(1);
    for round in 0..60 {
        let aggregate = [
            Aggregate::Sum,
            Aggregate::Average,
            Aggregate::Minimum,
            Aggregate::Maximum,
        ][round % 4];
        let (trees, outputs) = (1 + random.below(20), 1 + random.below(3));
        let ensemble = ensemble(&mut random, trees, outputs, aggregate);
        let rows = 1 + random.below(150);
        let encoded: Vec<f64> = (0..rows * COLUMNS).map(|_| random.value()).collect();
        let mut margins = vec![f64::NAN; rows * outputs];
        ensemble.evaluate(&encoded, &mut margins);
        for (row, margins) in encoded
            .chunks_exact(COLUMNS)
            .zip(margins.chunks_exact(outputs))
        {
            let mut alone = vec![f64::NAN; outputs];
            ensemble.evaluate(row, &mut alone);
            assert_eq!(alone, margins);
            assert_eq!(plain_walk(&ensemble, row), margins);
        }
    }
}

#[test]
fn covers_count_the_rows_that_reach_each_node() {
    let mut random = Random(2);
    let ensemble = ensemble(&mut random, 7, 1, Aggregate::Sum);
    let encoded: Vec<f64> = (0..200 * COLUMNS).map(|_| random.value()).collect();
    let counted = ensemble.with_covers_from(&encoded);
    let covers = counted
        .parts()
        .covers
        .as_ref()
        .expect("covers were counted");
    for &root in &counted.parts().roots {
        assert_eq!(covers[root as usize], 200.0);
    }
    for (index, node) in counted.parts().nodes.iter().enumerate() {
        match node {
            Node::Split(split) => assert_eq!(
                covers[index],
                covers[split.yes as usize] + covers[split.no as usize]
            ),
            Node::Leaf(_) => {
                let reached = encoded.chunks_exact(COLUMNS).filter(|row| {
                    counted
                        .parts()
                        .roots
                        .iter()
                        .any(|&root| leaf_of(&counted, root, row) == index)
                });
                assert_eq!(covers[index], reached.count() as f64);
            }
        }
    }
}
