//! Sizes: of lines, functions and files, and of `cli` beside all.

use super::Offence;
use super::ceilings::{Figure, SHARE, hold};
use super::imports::part;
use super::source::Source;
use super::tree::{File, Tree};

const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 400;
/// A file about one type that owns its state is read from its fields on, and may be longer.
const OWNER_LINES_MAX: usize = 600;

const LINE: &str = "a line has at most 100 characters";
const FUNCTION: &str = "a function has at most 70 lines";
const FILE: &str = "a file has at most 400 lines, or 600 about one type with private fields";

pub(super) fn check_sizes(source: &Source) -> Vec<Offence> {
    let long = |&(line, _): &(&str, usize)| line.chars().count() > LINE_CHARS_MAX;
    let lines = source.text.lines().zip(1..).filter(long).map(|(_, line)| (line, LINE));
    let long = |&(_, lines): &(usize, usize)| lines > FUNCTION_LINES_MAX;
    let functions = source.functions().into_iter().filter(long).map(|(line, _)| (line, FUNCTION));
    let count = source.text.lines().count();
    let is_long = count > FILE_LINES_MAX;
    let most = if is_long && has_one_owner(source) { OWNER_LINES_MAX } else { FILE_LINES_MAX };
    let file = Some((most + 1, FILE)).filter(|_| count > most);
    lines.chain(functions).chain(file).collect()
}

/// True when all methods of the file are of one type that it defines, and that has no open field.
fn has_one_owner(source: &Source) -> bool {
    let file = File::new(source.path, source.text.into());
    let mut names = file.impls.iter().filter(|block| block.traits.is_empty());
    let Some([name]) = names.next().map(|block| &block.of[..]) else { return false };
    let is_closed = |name: &String| {
        file.defs.iter().any(|def| def.is_type() && def.name == *name && def.open.is_empty())
    };
    names.all(|block| block.of.last() == Some(name)) && is_closed(name)
}

/// The lines of `src` that are in `cli`, in whole percent.
fn share_of_cli(tree: &Tree) -> Figure {
    let lines = |part_is: &dyn Fn(&str) -> bool| -> usize {
        let files = tree.files.iter().filter(|(path, _)| part_is(part(path)));
        files.map(|(_, file)| file.text.lines().count()).sum()
    };
    let (cli, all) = (lines(&|part| part == "cli"), lines(&|_| true));
    let value = (cli * 100).div_ceil(all.max(1));
    let places = vec![format!("{cli} lines of {all}")];
    Figure { name: "percent of src in cli".into(), value, places }
}

#[test]
fn cli_is_a_small_part() {
    hold(SHARE, &[share_of_cli(Tree::read())]);
}

#[test]
fn sizes_are_counted() {
    let rules = |text: &str| check_sizes(&Source::new("src/wire.rs", text));
    assert_eq!(rules(&"x".repeat(LINE_CHARS_MAX)), []);
    assert_eq!(rules(&format!("\n{}", "ä".repeat(LINE_CHARS_MAX + 1))), [(2, LINE)]);
    assert_eq!(rules(&"\n".repeat(FILE_LINES_MAX)), []);
    assert_eq!(rules(&"\n".repeat(FILE_LINES_MAX + 1)), [(FILE_LINES_MAX + 1, FILE)]);
    let function = |lines: usize| {
        let body = "    f('{', \"{\"); // { x\n".repeat(lines - 3);
        format!("trait T {{ fn g(a: [u8; 2]); }}\nfn f(a: [u8; 2])\n{{\n{body}}}\nfn h() {{}}\n")
    };
    assert_eq!(rules(&function(FUNCTION_LINES_MAX)), []);
    assert_eq!(rules(&function(FUNCTION_LINES_MAX + 1)), [(2, FUNCTION)]);
}

#[test]
fn a_file_about_one_type_may_be_longer() {
    let most = |text: &str| {
        let long = format!("{text}\n{}", "\n".repeat(OWNER_LINES_MAX));
        check_sizes(&Source::new("src/wire.rs", &long))[0].0 - 1
    };
    for one in [
        "struct A { a: u8 } impl A {}",
        "struct A { a: u8 } impl A {} impl A {} struct B { pub b: u8 } impl Clone for B {}",
        "enum A { B } impl<T> A {} fn f() {}",
        "struct A(u8); impl A {} #[cfg(test)] mod tests { struct B; impl B {} }",
    ] {
        assert_eq!(most(one), OWNER_LINES_MAX, "{one}");
    }
    for several in [
        "struct A { pub(super) a: u8 } impl A {}",
        "struct A(u8); struct B(u8); impl A {} impl B {}",
        "struct A(u8); impl Clone for A {}",
        "use super::A; impl A {}",
        "fn f() {}",
    ] {
        assert_eq!(most(several), FILE_LINES_MAX, "{several}");
    }
}
