//! Model of a disk on which only synced writes are certain.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::trace::{Call, Step};
use crate::chance::Chance;

/// Fate of unsynced writes when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// Every write is there, as after `kill -9`.
    Nothing,
    /// No write is there.
    Everything,
    /// A random choice of the writes is there.
    Writes,
    /// A random choice of the sectors of each write is there; sectors have this size.
    Sectors(u64),
}

impl Loss {
    pub(super) const ALL: [Self; 5] =
        [Self::Nothing, Self::Everything, Self::Writes, Self::Sectors(512), Self::Sectors(4096)];
}

/// A directory with its files, by what was written and what was synced.
#[derive(Clone, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    names: BTreeMap<PathBuf, Name>,
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
    /// Length including unsynced writes.
    len: u64,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// File that a name refers to, as synced and as changed since.
#[derive(Clone, Default)]
struct Name {
    synced: Option<usize>,
    /// Changes in order; the last one is what a running system sees.
    since: Vec<Option<usize>>,
}

impl Name {
    fn now(&self) -> Option<usize> {
        self.since.last().copied().unwrap_or(self.synced)
    }
}

/// Content of a disk: bytes by file name.
pub(super) type Image = BTreeMap<PathBuf, Vec<u8>>;

impl Disk {
    /// Disk on which the whole image is synced.
    pub(super) fn synced(image: &Image) -> Self {
        let files = image.values().map(|bytes| File {
            synced: bytes.clone(),
            since: vec![],
            len: bytes.len() as u64,
        });
        let names = image.keys().enumerate();
        let name = |(at, path): (usize, &PathBuf)| {
            (path.clone(), Name { synced: Some(at), since: vec![] })
        };
        Self { files: files.collect(), names: names.map(name).collect() }
    }

    pub(super) fn apply(&mut self, step: &Step) {
        match &step.call {
            Call::Make(path) => {
                if self.name(path).now().is_none() {
                    self.files.push(File::default());
                    let file = self.files.len() - 1;
                    self.name(path).since.push(Some(file));
                }
            }
            Call::Link(from, to) => {
                let file = self.name(from).now();
                self.name(to).since.push(file);
            }
            Call::Rename(from, to) => {
                let file = self.name(from).now();
                self.name(to).since.push(file);
                self.name(from).since.push(None);
            }
            Call::Unlink(path) => self.name(path).since.push(None),
            Call::Write(path, at, bytes) => {
                let file = self.file(path);
                let at = at.unwrap_or(file.len);
                file.len = file.len.max(at + bytes.len() as u64);
                file.since.push(Change::Write(at, bytes.clone()));
            }
            Call::Truncate(path, len) => {
                let file = self.file(path);
                file.len = *len;
                file.since.push(Change::Truncate(*len));
            }
            Call::Sync(path) if self.names.contains_key(path) => self.file(path).sync(),
            Call::Sync(dir) => {
                for (_, name) in
                    self.names.iter_mut().filter(|(path, _)| path.parent() == Some(dir))
                {
                    name.synced = name.now();
                    name.since.clear();
                }
            }
        }
    }

    fn name(&mut self, path: &Path) -> &mut Name {
        self.names.entry(path.to_path_buf()).or_default()
    }

    fn file(&mut self, path: &Path) -> &mut File {
        let file = self.name(path).now();
        &mut self.files[file.unwrap_or_else(|| panic!("no file {}", path.display()))]
    }

    /// Content of the disk after a power loss at this moment.
    pub(super) fn image(&self, loss: Loss, chance: &mut Chance) -> Image {
        let mut image = Image::new();
        for (path, name) in &self.names {
            let file = match loss {
                Loss::Nothing => name.now(),
                Loss::Everything => name.synced,
                Loss::Writes | Loss::Sectors(_) => match chance.below(name.since.len() + 1) {
                    0 => name.synced,
                    n => name.since[n - 1],
                },
            };
            if let Some(file) = file {
                image.insert(path.clone(), self.files[file].left(loss, chance));
            }
        }
        image
    }
}

impl File {
    fn sync(&mut self) {
        for change in self.since.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    fn left(&self, loss: Loss, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for change in &self.since {
            match (loss, change) {
                (Loss::Everything, _) => {}
                (Loss::Nothing, change) => change.apply(&mut bytes),
                (Loss::Sectors(sector), Change::Write(at, written)) => {
                    for (at, piece) in pieces(*at, written, sector) {
                        if chance.one_in(2) {
                            put(&mut bytes, at, piece);
                        }
                    }
                }
                (Loss::Writes | Loss::Sectors(_), change) => {
                    if chance.one_in(2) {
                        change.apply(&mut bytes);
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => put(bytes, *at, written),
            Self::Truncate(len) => bytes.resize(*len as usize, 0),
        }
    }
}

fn put(bytes: &mut Vec<u8>, at: u64, piece: &[u8]) {
    let (at, end) = (at as usize, at as usize + piece.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(piece);
}

/// Parts of a write, split at the sector boundaries of the file.
fn pieces(at: u64, bytes: &[u8], sector: u64) -> Vec<(u64, &[u8])> {
    let (mut at, mut rest, mut pieces) = (at, bytes, vec![]);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min((sector - at % sector) as usize));
        pieces.push((at, piece));
        (at, rest) = (at + piece.len() as u64, behind);
    }
    pieces
}

/// Writes the files of an image into a directory that holds nothing else.
pub(super) fn lay_out(image: &Image, dir: &Path) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).unwrap();
    for (path, bytes) in image {
        let path = dir.join(path.file_name().unwrap());
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn only_synced_writes_are_certain() {
    let path = PathBuf::from("/d/f");
    let mut disk = Disk::default();
    let mut left = |calls: Vec<Call>, loss| {
        calls.into_iter().for_each(|call| disk.apply(&Step { at_us: 0, call }));
        let image = disk.image(loss, &mut Chance::new(1));
        image.get(&path).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    };
    let write = |at, bytes: &str| Call::Write(path.clone(), at, bytes.into());
    let (file, dir) = (|| Call::Sync(path.clone()), Call::Sync("/d".into()));
    assert_eq!(
        left(vec![Call::Make(path.clone()), write(None, "abc"), file()], Loss::Everything),
        None
    );
    assert_eq!(left(vec![], Loss::Nothing).unwrap(), "abc");
    assert_eq!(left(vec![dir], Loss::Everything).unwrap(), "abc");
    assert_eq!(left(vec![write(Some(1), "xyz")], Loss::Everything).unwrap(), "abc");
    assert_eq!(left(vec![], Loss::Nothing).unwrap(), "axyz");
    assert_eq!(
        left(vec![Call::Truncate(path.clone(), 2), file()], Loss::Everything).unwrap(),
        "ax"
    );
    assert_eq!(left(vec![Call::Unlink(path.clone())], Loss::Everything).unwrap(), "ax");
    assert_eq!(left(vec![], Loss::Nothing), None);
    assert_eq!(pieces(3, b"abcdefg", 4), [(3, &b"a"[..]), (4, b"bcde"), (8, b"fg")]);
}
