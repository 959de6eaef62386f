//! The figures of the house: what each is now, which it may not exceed, and what it shall be. A
//! figure that falls is lowered here in the same change, so that it never rises again.

/// A figure as its check names it, its ceiling, and its aim. Above the aim the ceiling is exact.
pub(super) type Ceiling = (&'static str, usize, usize);

/// Files in circles of imports, by part.
pub(super) const CIRCLES: &[Ceiling] = &[];

/// Leaves that their own root imports, by part.
pub(super) const LEAVES: &[Ceiling] = &[];

/// The size of `cli`.
pub(super) const SHARE: &[Ceiling] = &[("percent of src in cli", 30, 30)];

/// Methods that call one another in circles, by part.
pub(super) const CYCLES: &[Ceiling] = &[];

/// Fields that are not private, of types with methods, by part.
pub(super) const FIELDS: &[Ceiling] = &[("durable", 4, 0), ("wire", 9, 0)];

/// Impls away from their types, by part.
pub(super) const IMPLS: &[Ceiling] = &[];

/// Owners of the state of the hub.
pub(super) const HUB: &[Ceiling] = &[("files that may touch a field of Hub", 1, 1)];

/// Names with several meanings.
pub(super) const NAMES: &[Ceiling] = &[("type names with several owners", 0, 0)];

/// Methods named by a bare verb, by part.
pub(super) const VERBS: &[Ceiling] = &[];

/// Doc comments that begin with a pronoun or a question, in whole percent. 1 is less than 2.
pub(super) const COMMENTS: &[Ceiling] = &[("src", 1, 1), ("tests", 0, 1)];

/// Files with bounds of a part, besides its `limits.rs`, by part.
pub(super) const BOUNDS: &[Ceiling] = &[];

/// A figure of the source, and the places that make it up.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: usize,
    pub(super) places: Vec<String>,
}

impl Figure {
    /// A figure that counts `places`.
    pub(super) fn count(name: &str, places: Vec<String>) -> Self {
        Self { name: name.into(), value: places.len(), places }
    }
}

/// A line for each figure that its row does not allow. One without a row has the ceiling 0.
fn check(rows: &[Ceiling], figures: &[Figure]) -> String {
    let mut report = String::new();
    for figure in figures {
        let Figure { name, value, .. } = figure;
        let row = rows.iter().find(|(row, ..)| row == name);
        let (_, ceiling, aim) = row.copied().unwrap_or(("", 0, 0));
        if *value > ceiling {
            report += &format!("{name}: {value}, more than {ceiling}\n");
        } else if *value < ceiling && ceiling > aim {
            report += &format!("{name}: {value}; lower its ceiling, {ceiling}\n");
        }
    }
    for (row, ..) in rows {
        if !figures.iter().any(|figure| figure.name == *row) {
            report += &format!("{row}: no such figure, remove its row\n");
        }
    }
    report
}

/// Fails unless each figure is what its row says. Prints the places of all of them.
pub(super) fn hold(rows: &[Ceiling], figures: &[Figure]) {
    for Figure { name, value, places } in figures {
        println!("{name}: {value}");
        places.iter().for_each(|place| println!("  {place}"));
    }
    let report = check(rows, figures);
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn a_ceiling_is_exact_down_to_its_aim() {
    let says = |value: usize, ceiling, aim, part: &str| {
        let places = vec!["here".to_string(); value];
        check(&[("a", ceiling, aim)], &[Figure::count("a", places)]).contains(part)
    };
    assert!(says(3, 2, 0, "a: 3, more than 2"));
    assert!(says(1, 2, 0, "a: 1; lower its ceiling, 2"));
    assert_eq!(check(&[("a", 2, 2)], &[Figure::count("a", vec![])]), "");
    assert_eq!(check(&[("a", 0, 0)], &[Figure::count("a", vec![])]), "");
    assert!(check(&[], &[Figure::count("b", vec!["here".into()])]).contains("b: 1, more than 0"));
    assert!(check(&[("a", 2, 0)], &[]).contains("a: no such figure"));
}
