//! A child's two pipes: read at once, cut into lines, redacted, the last part kept.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::mpsc;

use super::mask::Masker;
use crate::ports::process::Tell;

/// A line longer than this is told in pieces.
const LONGEST_LINE: usize = 16 * 1024;

#[derive(Clone, Copy, PartialEq)]
enum Pipe {
    Out,
    Err,
}

pub struct Pumps {
    chunks: mpsc::Receiver<(Pipe, Vec<u8>)>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    keep: usize,
}

impl Pumps {
    pub fn of(child: &mut Child, keep: usize) -> Self {
        let (sender, chunks) = mpsc::channel(64);
        let mut tasks = Vec::new();
        if let Some(out) = child.stdout.take() {
            tasks.push(tokio::spawn(pump(out, Pipe::Out, sender.clone())));
        }
        if let Some(err) = child.stderr.take() {
            tasks.push(tokio::spawn(pump(err, Pipe::Err, sender)));
        }
        Self { chunks, tasks, keep }
    }
}

impl Drop for Pumps {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn pump(mut pipe: impl AsyncRead + Unpin, which: Pipe, to: mpsc::Sender<(Pipe, Vec<u8>)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = pipe.read(&mut buffer).await {
        if read == 0 || to.send((which, buffer[..read].to_vec())).await.is_err() {
            return;
        }
    }
}

pub struct Output<'a> {
    pumps: Pumps,
    masker: &'a Masker,
    line: Tell<'a>,
    out: Kept,
    err: Kept,
}

struct Kept {
    tail: VecDeque<u8>,
    /// The beginning of a line whose end has not come yet.
    open: Vec<u8>,
}

impl<'a> Output<'a> {
    pub fn new(pumps: Pumps, masker: &'a Masker, line: Tell<'a>) -> Self {
        let kept = || Kept { tail: VecDeque::new(), open: Vec::new() };
        Self { pumps, masker, line, out: kept(), err: kept() }
    }

    /// Reads until `end` is there.
    pub async fn pump_while<T>(&mut self, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        let mut open = true;
        loop {
            tokio::select! {
                done = &mut end => return done,
                chunk = self.pumps.chunks.recv(), if open => match chunk {
                    Some((pipe, bytes)) => self.take(pipe, &bytes),
                    None => open = false,
                },
            }
        }
    }

    /// Reads what is still in the pipes, for a while.
    pub async fn drain(&mut self, longest: Duration) {
        let all = async {
            while let Some((pipe, bytes)) = self.pumps.chunks.recv().await {
                self.take(pipe, &bytes);
            }
        };
        // Somebody we could not kill still holds a pipe: what we have must do.
        let _ = tokio::time::timeout(longest, all).await;
        for pipe in [Pipe::Out, Pipe::Err] {
            let rest = std::mem::take(&mut self.kept(pipe).open);
            if !rest.is_empty() {
                self.tell(&rest);
            }
        }
    }

    /// What was kept of both, redacted.
    pub fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let redacted = |kept: Kept| {
            let bytes: Vec<u8> = kept.tail.into();
            self.masker.redact_bytes(&bytes).into_owned()
        };
        (redacted(self.out), redacted(self.err))
    }

    fn kept(&mut self, pipe: Pipe) -> &mut Kept {
        match pipe {
            Pipe::Out => &mut self.out,
            Pipe::Err => &mut self.err,
        }
    }

    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        let keep = self.pumps.keep;
        let kept = self.kept(pipe);
        kept.tail.extend(bytes);
        let over = kept.tail.len().saturating_sub(keep);
        kept.tail.drain(..over);
        let mut open = std::mem::take(&mut kept.open);
        open.extend_from_slice(bytes);
        let mut rest = open.as_slice();
        while let Some(at) =
            rest.iter().position(|b| *b == b'\n').or((rest.len() > LONGEST_LINE).then_some(LONGEST_LINE))
        {
            let (line, after) = rest.split_at(at);
            self.tell(line);
            rest = after.strip_prefix(b"\n").unwrap_or(after);
        }
        self.kept(pipe).open = rest.to_vec();
    }

    fn tell(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        (self.line)(&self.masker.redact(text.trim_end_matches('\r')));
    }
}
