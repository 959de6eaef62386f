//! Circles in a graph of names.

use std::collections::{BTreeMap, BTreeSet};

/// Each name, and those that it leads to.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The largest groups in which each name leads, over others or not, to every other and to itself.
pub(super) fn circles(graph: &Graph) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|name| (name.as_str(), reached(graph, name))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|names| names.contains(to));
    let circle = |name: &&str| -> BTreeSet<&str> {
        reached[name].iter().filter(|other| leads(other, name)).copied().collect()
    };
    let found: BTreeSet<BTreeSet<&str>> = reached.keys().map(circle).collect();
    found.into_iter().filter(|circle| !circle.is_empty()).collect()
}

fn reached<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let (mut found, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(name) = left.pop() {
        for next in graph.get(name).into_iter().flatten() {
            if found.insert(next.as_str()) {
                left.push(next);
            }
        }
    }
    found
}

#[test]
fn circles_are_found() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for &(from, to) in arrows {
            graph.entry(from.into()).or_default().insert(to.into());
        }
        graph
    };
    let all = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "d"), ("e", "a")]);
    assert_eq!(circles(&all), [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["d"])]);
    assert!(circles(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
}
