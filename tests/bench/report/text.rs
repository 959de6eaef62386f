//! Numbers and tables in Markdown.

/// Number with three significant digits and separated thousands.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => grouped(value.round()),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Whole number with separated thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Median, with least and greatest value where they differ from it.
pub(crate) fn spread([median, min, max]: [f64; 3]) -> String {
    let [median, min, max] = [median, min, max].map(number);
    if min == max { median } else { format!("{median} [{min}..{max}]") }
}

/// Table whose first column is aligned left and the others right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let ruler: Vec<_> = (0..head.len()).map(|at| if at == 0 { "---" } else { "---:" }).collect();
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    line(head.to_vec()) + &line(ruler) + &body.collect::<String>()
}
