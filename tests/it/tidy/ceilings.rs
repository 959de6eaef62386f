//! The figures of the house: what each is now, which it may not exceed, and what it shall be. A
//! figure that falls is lowered here in the same change, so that it never rises again.

/// A figure, as a check names it, its present value, and its aim. Behind the aim a figure may move.
pub(super) type Ceiling = (&'static str, usize, usize);

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

/// What is wrong with figures under their ceilings. One without a row has 0.
fn check(rows: &[Ceiling], figures: &[Figure]) -> String {
    let mut report = String::new();
    for figure in figures {
        let Figure { name, value, places } = figure;
        let row = rows.iter().find(|(row, ..)| row == name);
        let (_, ceiling, aim) = row.copied().unwrap_or(("", 0, 0));
        if *value > ceiling {
            report += &format!("{name}: {value}, more than {ceiling}\n");
            places.iter().for_each(|place| report += &format!("  {place}\n"));
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

/// Fails unless each figure is what its row says.
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
    assert!(says(3, 2, 0, "a: 3, more than 2\n  here"));
    assert!(says(1, 2, 0, "a: 1; lower its ceiling, 2"));
    assert_eq!(check(&[("a", 2, 2)], &[Figure::count("a", vec![])]), "");
    assert_eq!(check(&[("a", 0, 0)], &[Figure::count("a", vec![])]), "");
    assert!(check(&[], &[Figure::count("b", vec!["here".into()])]).contains("b: 1, more than 0"));
    assert!(check(&[("a", 2, 0)], &[]).contains("a: no such figure"));
}

pub(super) const CIRCLES: &[Ceiling] = &[];
pub(super) const LEAVES: &[Ceiling] = &[];
pub(super) const SHARE: &[Ceiling] = &[];
pub(super) const CYCLES: &[Ceiling] = &[];
pub(super) const FIELDS: &[Ceiling] = &[];
pub(super) const IMPLS: &[Ceiling] = &[];
pub(super) const HUB: &[Ceiling] = &[];
pub(super) const NAMES: &[Ceiling] = &[];
pub(super) const COMMENTS: &[Ceiling] = &[];
pub(super) const BOUNDS: &[Ceiling] = &[];
