//! How far long work is: a bar on a terminal, a line in a log.

const CELLS: usize = 24;

/// One line for a terminal, drawn again and again in its place.
pub fn bar(what: &str, (done, all): (usize, usize), seconds: u64) -> String {
    if all == 0 {
        return format!("{what}, {seconds} s");
    }
    let full = (done * CELLS / all).min(CELLS);
    format!("{what} [{}{}] {done}/{all}", "#".repeat(full), ".".repeat(CELLS - full))
}

/// One line of a log.
pub fn line(what: &str, (done, all): (usize, usize), seconds: u64) -> String {
    match all {
        0 => format!("{what}: {seconds} s so far"),
        all => format!("{what}: {done} of {all} after {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_up_and_a_line_counts() {
        assert_eq!(bar("Uploading files", (0, 3), 0), "Uploading files [........................] 0/3");
        assert_eq!(bar("Uploading files", (2, 3), 1), "Uploading files [################........] 2/3");
        assert_eq!(bar("Running job train", (0, 0), 35), "Running job train, 35 s");
        assert_eq!(line("Changing resources", (40, 950), 10), "Changing resources: 40 of 950 after 10 s");
        assert_eq!(line("Running job train", (0, 0), 60), "Running job train: 60 s so far");
    }
}
