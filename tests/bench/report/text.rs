//! Numbers and tables as Markdown has them.

/// Three digits that count, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => grouped(value.round()),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number.
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

/// The middle, and the ends where they differ from it.
pub(crate) fn spread([median, min, max]: [f64; 3]) -> String {
    let [median, min, max] = [median, min, max].map(number);
    if min == max { median } else { format!("{median} [{min}..{max}]") }
}

/// The first column to the left, the others to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let ruler: Vec<_> = (0..head.len()).map(|at| if at == 0 { "---" } else { "---:" }).collect();
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    line(head.to_vec()) + &line(ruler) + &body.collect::<String>()
}
