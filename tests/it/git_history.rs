//! What we read of commits and of their files is what git says, however it has stored them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use mlops_deploy::ports::github::Ancestry;

use crate::git_checkout::{Made, read};

/// Lines that differ in one place, so that git stores them as deltas of each other.
fn text(of: usize) -> String {
    (0..400).map(|line| format!("line {line} of {}\n", if line == of % 400 { of } else { 0 })).collect()
}

/// Two branches that part, meet, and part again, with a folder in a folder.
fn history() -> Made {
    let made = Made::new();
    let step = |folder: &str, n: usize| {
        fs::create_dir_all(made.path("main/src/deep")).unwrap();
        fs::write(made.path("main/src/deep").join(format!("{folder}.txt")), text(n)).unwrap();
        fs::write(made.path("main/src").join(format!("{folder}{}.txt", n % 7)), text(n)).unwrap();
        made.git("main", "add -A");
        made.git("main", &format!("commit -q -m {folder}{n}"));
    };
    (0..12).for_each(|n| step("trunk", n));
    made.git("main", "checkout -q -b side HEAD~6");
    (0..5).for_each(|n| step("side", n));
    made.git("main", "checkout -q main");
    made.git("main", "merge -q -m met side");
    made.git("main", "checkout -q side");
    (5..9).for_each(|n| step("side", n));
    made.git("main", "checkout -q main");
    (12..15).for_each(|n| step("trunk", n));
    made
}

fn commits(made: &Made, folder: &str) -> Vec<String> {
    made.git(folder, "rev-list --all").lines().map(str::to_owned).collect()
}

/// Every pair of commits, ours and git's own answer.
fn agree(made: &Made, folder: &str, how: &str) {
    let repository = read(&made.path(folder));
    let all = commits(made, folder);
    let ancestors: BTreeMap<&String, Vec<String>> = all
        .iter()
        .map(|of| (of, made.git(folder, &format!("rev-list {of}")).lines().map(str::to_owned).collect()))
        .collect();
    for base in &all {
        for head in &all {
            let expected = match (ancestors[head].contains(base), ancestors[base].contains(head)) {
                (true, true) => Ancestry::Identical,
                (true, false) => Ancestry::Ahead,
                (false, true) => Ancestry::Behind,
                (false, false) => Ancestry::Diverged,
            };
            assert_eq!(repository.relation(base, head).unwrap(), expected, "{how}: {base}..{head}");
        }
    }
}

#[test]
fn commits_relate_as_git_says_loose_packed_and_borrowed() {
    let made = history();
    agree(&made, "main", "loose");
    made.git("main", "repack -q -a -d -f --depth=50 --window=50");
    let index = fs::read_dir(made.path("main/.git/objects/pack")).unwrap().map(|e| e.unwrap().path());
    let index = index.into_iter().find(|path| path.extension().is_some_and(|e| e == "idx")).unwrap();
    assert!(
        made.git("main", &format!("verify-pack -v {}", index.display())).contains("chain length = 2"),
        "deltas upon deltas"
    );
    agree(&made, "main", "packed");
    made.git("main", "config repack.useDeltaBaseOffset false");
    made.git("main", "repack -q -a -d -f --depth=50 --window=50");
    agree(&made, "main", "packed by names");
    made.git("main", "clone -q --shared ../main ../borrowed");
    agree(&made, "borrowed", "borrowed");
    made.git("main", "worktree add -q ../tree side");
    agree(&made, "tree", "a further work tree");
}

#[test]
fn what_a_clone_has_not_fetched_is_not_known() {
    let made = history();
    let all: Vec<String> = made.git("main", "rev-list --first-parent main").lines().map(str::to_owned).collect();
    let from = format!("file://{}", made.path("main").display());
    made.git("main", &format!("clone -q --depth 3 {from} ../shallow"));
    let shallow = read(&made.path("shallow"));
    assert_eq!(shallow.relation(&all[2], &all[0]).unwrap(), Ancestry::Ahead);
    assert_eq!(shallow.relation(&all[0], &all[1]).unwrap(), Ancestry::Behind);
    assert_eq!(shallow.relation(all.last().unwrap(), &all[0]).unwrap(), Ancestry::Unknown);
    // A commit that nobody has any more cannot be among those that a whole history has.
    let gone = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(read(&made.path("main")).relation(gone, &all[0]).unwrap(), Ancestry::Diverged);
    assert_eq!(read(&made.path("main")).relation(&all[0], gone).unwrap(), Ancestry::Unknown);
    assert_eq!(shallow.relation(gone, &all[0]).unwrap(), Ancestry::Unknown);
    assert_eq!(shallow.relation("not a commit", &all[0]).unwrap(), Ancestry::Unknown);
}

#[test]
fn a_repository_of_garbage_says_nothing_and_breaks_nothing() {
    let made = history();
    let all = commits(&made, "main");
    made.git("main", "repack -q -a -d -f");
    let packs: Vec<PathBuf> =
        fs::read_dir(made.path("main/.git/objects/pack")).unwrap().map(|e| e.unwrap().path()).collect();
    for path in packs {
        let whole = fs::read(&path).unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
        fs::set_permissions(&path, permissions).unwrap();
        for seed in 0..60usize {
            let mut bytes = whole.clone();
            match seed % 3 {
                0 => bytes.truncate(whole.len() * seed / 60),
                _ => (0..40).for_each(|i| bytes[(seed * 7919 + i * 104_729) % whole.len()] ^= (seed + i + 1) as u8),
            }
            fs::write(&path, bytes).unwrap();
            let repository = read(&made.path("main"));
            // An answer or an error, and no panic.
            let told = repository.relation(&all[5], &all[0]);
            let told = told.unwrap_or(Ancestry::Unknown);
            assert!(told != Ancestry::Behind && told != Ancestry::Identical, "{told:?}");
            drop(repository.uncommitted(&files(&made, "main")));
        }
        fs::write(&path, whole).unwrap();
    }
    agree(&made, "main", "whole again");
}

fn files(made: &Made, folder: &str) -> BTreeMap<String, PathBuf> {
    let all = made.git(folder, "ls-files --cached --others --exclude-standard");
    let here = |name: &&str| made.path(folder).join(name).is_file();
    all.lines().filter(here).map(|name| (name.to_owned(), made.path(folder).join(name))).collect()
}

/// Ours, and what git's status lists that is still there.
fn same_as_status(made: &Made, folder: &str, how: &str) -> Vec<String> {
    let ours = read(&made.path(folder)).uncommitted(&files(made, folder)).unwrap().unwrap();
    let status = made.git(folder, "status --porcelain --untracked-files=all --no-renames");
    // The two columns before a name; the first line's are trimmed off with the output.
    let names = status.lines().map(|line| line.trim_start().split_once(' ').unwrap().1.trim().to_owned());
    let mut theirs: Vec<String> = names.filter(|name| made.path(folder).join(name).is_file()).collect();
    theirs.sort();
    assert_eq!(ours, theirs, "{how}");
    ours
}

#[test]
fn what_is_not_committed_is_what_git_lists() {
    let made = history();
    made.git("main", "repack -q -a -d -f");
    let write = |name: &str, text: &str| fs::write(made.path("main").join(name), text).unwrap();
    for version in ["2", "4"] {
        made.git("main", "reset -q --hard");
        made.git("main", &format!("update-index --index-version {version}"));
        assert_eq!(same_as_status(&made, "main", "clean"), Vec::<String>::new());
        let same = fs::read_to_string(made.path("main/src/trunk0.txt")).unwrap();
        write("src/trunk0.txt", &same);
        assert_eq!(same_as_status(&made, "main", "written again"), Vec::<String>::new());
        write("src/trunk1.txt", &same.replace("line 3 of", "line 4 of"));
        assert_eq!(same_as_status(&made, "main", "of the same size"), ["src/trunk1.txt"]);
        write("src/deep/trunk.txt", "staged\n");
        made.git("main", "add src/deep/trunk.txt");
        write("src/new.txt", "staged and new\n");
        made.git("main", "add src/new.txt");
        write("src/unknown.txt", "never seen\n");
        let all = ["src/deep/trunk.txt", "src/new.txt", "src/trunk1.txt", "src/unknown.txt"];
        assert_eq!(same_as_status(&made, "main", "all of them"), all);
        fs::remove_file(made.path("main/src/unknown.txt")).unwrap();
    }
    fs::remove_file(made.path("main/.git/index")).unwrap();
    let ours =
        read(&made.path("main")).uncommitted(&[("src/trunk1.txt".to_owned(), made.path("main/src/trunk1.txt"))].into());
    assert_eq!(ours.unwrap().unwrap(), ["src/trunk1.txt"], "without an index every file is read");
    made.git("main", "clone -q ../main ../other");
    assert_eq!(same_as_status(&made, "other", "a fresh clone"), Vec::<String>::new());
}

/// An object that is a change of itself has no beginning.
#[test]
fn a_chain_that_leads_back_to_itself_ends() {
    let made = Made::new();
    let head = made.git("main", "rev-parse HEAD");
    let id = [0xabu8; 20];
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflated.write_all(&[1, 1, 0x91, 0, 1]).unwrap();
    // A change of what has this name, behind a pack's header of twelve bytes.
    let pack = [&[0u8; 12][..], &[0x75], &id, &deflated.finish().unwrap()].concat();
    let fanout = (0..=255u8).flat_map(|first| u32::from(first >= id[0]).to_be_bytes());
    let index: Vec<u8> = [0xff, b't', b'O', b'c', 0, 0, 0, 2].into_iter().chain(fanout).collect();
    let index = [&index[..], &id, &[0; 4], &12u32.to_be_bytes()].concat();
    let folder = made.path("main/.git/objects/pack");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pack-1.pack"), pack).unwrap();
    fs::write(folder.join("pack-1.idx"), index).unwrap();
    let name = "ab".repeat(20);
    let repository = read(&made.path("main"));
    assert_eq!(repository.relation(&head, &name).unwrap(), Ancestry::Unknown);
    assert_eq!(repository.relation(&name, &head).unwrap(), Ancestry::Diverged, "HEAD's own history is whole");
}
