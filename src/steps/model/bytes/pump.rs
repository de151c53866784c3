//! Moves files from one store to another, and hashes them on the way.
//!
//! A copy of any size needs the same memory. Parts are read in parallel and hashed in order:
//! SHA-256 knows no other. A part keeps its memory until it is hashed and stored, and can be sent
//! again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::manifest::{Entry, Manifest, hex};
use super::memory::{Loan, Memory};
use super::progress::Progress;
use super::store::{BytesError, FileEntry, Store, Upload, Way};
use crate::domain::{Failure, Reason};
use crate::ports::Clock;

/// Memory for all parts together.
const BUDGET: u64 = 25 * MIB;
const MIB: u64 = 1024 * 1024;
/// The least part that every cloud takes.
const PART: u64 = 5 * MIB;
const FILES_AT_A_TIME: usize = 8;
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct Pump {
    memory: Memory,
    clock: Arc<dyn Clock>,
}

/// Bytes on their way.
#[derive(Clone)]
struct Part {
    number: u64,
    bytes: Bytes,
}

/// Ends when it is dropped: a copy that is given up leaves nothing running.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Running<T> {
    fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    async fn end(mut self) -> Result<T, Failure> {
        (&mut self.0).await.map_err(|e| Failure::new(Reason::Internal, "move a model's files").because(e))
    }
}

impl Pump {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { memory: Memory::new(BUDGET, PART), clock }
    }

    /// A file that is small enough to be looked at.
    pub async fn text(&self, from: &Arc<dyn Store>, file: &FileEntry) -> Result<Bytes, Failure> {
        let memory = self.memory.take(file.size).await;
        Ok(self.read(from, file, 1, 0..file.size, memory).await?.bytes)
    }

    /// Reads and hashes.
    pub async fn digest<'a>(
        &'a self,
        from: &'a Arc<dyn Store>,
        files: &'a [FileEntry],
        progress: &'a Arc<Progress>,
    ) -> Result<Manifest, Failure> {
        self.each(files, |file| self.one(from, file, None, progress).boxed()).await
    }

    /// Copies and hashes. Nothing of `to` is looked at: what arrived is for `digest` to say.
    pub async fn copy<'a>(
        &'a self,
        from: &'a Arc<dyn Store>,
        to: &'a Arc<dyn Store>,
        files: &'a [FileEntry],
        progress: &'a Arc<Progress>,
    ) -> Result<Manifest, Failure> {
        self.each(files, |file| self.copied(from, to, file, progress).boxed()).await
    }

    /// The big files first: they take longest.
    async fn each<'a>(
        &self,
        files: &'a [FileEntry],
        one: impl Fn(&'a FileEntry) -> BoxFuture<'a, Result<Entry, Failure>>,
    ) -> Result<Manifest, Failure> {
        let mut order: Vec<&FileEntry> = files.iter().collect();
        order.sort_by_key(|file| std::cmp::Reverse(file.size));
        let work: Vec<BoxFuture<'a, Result<(String, Entry), Failure>>> = order
            .into_iter()
            .map(|file| {
                let work = one(file);
                async move { work.await.map(|entry| (file.path.clone(), entry)) }.boxed()
            })
            .collect();
        let entries: Vec<_> = stream::iter(work).buffer_unordered(FILES_AT_A_TIME).try_collect().await?;
        Ok(Manifest(entries.into_iter().collect()))
    }

    async fn copied(
        &self,
        from: &Arc<dyn Store>,
        to: &Arc<dyn Store>,
        file: &FileEntry,
        progress: &Arc<Progress>,
    ) -> Result<Entry, Failure> {
        if file.size <= PART {
            return self.small(from, to, file, progress).await;
        }
        let mut upload = self.patiently(|| to.begin(file)).await?;
        let mut done = self.by(from, file, &upload, progress).await;
        if matches!(upload.way(), Way::Link { .. })
            && let Err(failure) = &done
        {
            if to.gives_up_links() {
                tracing::info!("storage does not fetch from storage ({failure}); files go through here");
            }
            upload = self.patiently(|| to.begin(file)).await?;
            done = self.by(from, file, &upload, progress).await;
        }
        let done = match done {
            Ok(entry) => self.patiently(|| upload.finish()).await.map(|()| entry),
            Err(failure) => Err(failure),
        };
        if done.is_err() {
            upload.abort().await;
        }
        done
    }

    async fn by(
        &self,
        from: &Arc<dyn Store>,
        file: &FileEntry,
        upload: &Arc<dyn Upload>,
        progress: &Arc<Progress>,
    ) -> Result<Entry, Failure> {
        match upload.way() {
            Way::Parts { .. } => self.one(from, file, Some(upload), progress).await,
            Way::Stream => self.streamed(from, file, upload, progress).await,
            Way::Link { part } => self.linked(from, file, upload, part, progress).await,
        }
    }

    async fn small(
        &self,
        from: &Arc<dyn Store>,
        to: &Arc<dyn Store>,
        file: &FileEntry,
        progress: &Arc<Progress>,
    ) -> Result<Entry, Failure> {
        let memory = self.memory.take(file.size).await;
        let part = self.read(from, file, 1, 0..file.size, memory).await?;
        self.patiently(|| to.put(&file.path, part.bytes.clone())).await?;
        progress.passed(file.size, self.clock.now());
        Ok(Entry { sha256: hex(&Sha256::digest(&part.bytes)), size: file.size })
    }

    /// Reads a file in parts, hashes them in order, and hands each to the upload if there is one.
    async fn one(
        &self,
        from: &Arc<dyn Store>,
        file: &FileEntry,
        upload: Option<&Arc<dyn Upload>>,
        progress: &Arc<Progress>,
    ) -> Result<Entry, Failure> {
        let way = upload.map(|u| u.way());
        let (hasher, hashed) = Hasher::start();
        let mut parts = std::pin::pin!(self.parts(from, file, part_size(file.size, way)));
        let mut storing = stream::FuturesUnordered::new();
        loop {
            tokio::select! {
                part = parts.next() => {
                    let Some(part) = part else { break };
                    let part = part?;
                    hasher.next(part.bytes.clone()).await;
                    let (pump, upload, progress) = (self.clone(), upload.map(Arc::clone), Arc::clone(progress));
                    storing.push(Running::start(async move { pump.stored(upload, part, &progress).await }).end());
                }
                Some(stored) = storing.next() => stored??,
            }
        }
        while let Some(stored) = storing.next().await {
            stored??;
        }
        drop(hasher);
        Ok(Entry { sha256: hashed.await?, size: file.size })
    }

    async fn stored(&self, upload: Option<Arc<dyn Upload>>, part: Part, progress: &Progress) -> Result<(), Failure> {
        if let Some(upload) = upload {
            self.patiently(|| upload.part(part.number, part.bytes.clone())).await?;
        }
        progress.passed(part.bytes.len() as u64, self.clock.now());
        Ok(())
    }

    /// One body from beginning to end. Nothing of it can be sent again, so a broken line begins
    /// the file anew.
    async fn streamed(
        &self,
        from: &Arc<dyn Store>,
        file: &FileEntry,
        upload: &Arc<dyn Upload>,
        progress: &Arc<Progress>,
    ) -> Result<Entry, Failure> {
        self.patiently(|| async {
            let (hasher, hashed) = Hasher::start();
            let (sender, receiver) = mpsc::channel::<Bytes>(1);
            let chunks = stream::unfold(receiver, |mut receiver| async {
                let chunk = receiver.recv().await?;
                Some((Ok(chunk), receiver))
            });
            let sending = upload.stream(file.size, chunks.boxed());
            let feeding = async {
                let mut parts = std::pin::pin!(self.parts(from, file, PART));
                while let Some(part) = parts.next().await {
                    let Part { bytes, .. } = part?;
                    hasher.next(bytes.clone()).await;
                    // Who takes no more bytes says why.
                    if sender.send(bytes).await.is_err() {
                        break;
                    }
                }
                drop((sender, hasher));
                Ok::<_, Failure>(())
            };
            let (sent, fed) = futures::join!(sending, feeding);
            fed?;
            sent?;
            progress.passed(file.size, self.clock.now());
            Ok(Entry { sha256: hashed.await?, size: file.size })
        })
        .await
    }

    /// Storage fetches from storage; we hash the source by itself.
    async fn linked(
        &self,
        from: &Arc<dyn Store>,
        file: &FileEntry,
        upload: &Arc<dyn Upload>,
        part: u64,
        progress: &Arc<Progress>,
    ) -> Result<Entry, Failure> {
        let moved = stream::iter(ranges(file.size, part).into_iter().enumerate()).map(|(i, range)| async move {
            self.patiently(|| async {
                // Asked for each time: what has expired is made anew.
                let link = from.link(file).await;
                let link = link.ok_or_else(|| Failure::new(Reason::Internal, "make a link to the source"))?;
                upload.part_from(i as u64 + 1, &link, range.clone()).await
            })
            .await
        });
        let moved = moved.buffer_unordered(FILES_AT_A_TIME).try_collect::<Vec<()>>();
        let (_, entry) = futures::try_join!(moved, self.one(from, file, None, progress))?;
        Ok(entry)
    }

    /// The parts of a file in order, several being read ahead.
    fn parts<'a>(
        &'a self,
        from: &'a Arc<dyn Store>,
        file: &'a FileEntry,
        size: u64,
    ) -> impl futures::Stream<Item = Result<Part, Failure>> + 'a {
        let ahead = usize::try_from((BUDGET / size).max(1)).unwrap_or(1);
        stream::iter(ranges(file.size, size).into_iter().enumerate())
            // Memory is taken in the order of the file: the part that everybody waits for has its own.
            .then(move |(i, range)| {
                async move { (i as u64 + 1, self.memory.take(range.end - range.start).await, range) }.boxed()
            })
            .map(move |(number, memory, range)| {
                let (pump, from, file) = (self.clone(), Arc::clone(from), file.clone());
                let reading = Running::start(async move { pump.read(&from, &file, number, range, memory).await });
                async move { reading.end().await? }.boxed()
            })
            .buffered(ahead)
    }

    async fn read(
        &self,
        from: &Arc<dyn Store>,
        file: &FileEntry,
        number: u64,
        range: Range<u64>,
        memory: Loan,
    ) -> Result<Part, Failure> {
        if range.is_empty() {
            return Ok(Part { number, bytes: Bytes::new() });
        }
        let memory = tokio::sync::Mutex::new(memory);
        self.patiently(|| async {
            let mut into = memory.lock().await;
            whole(from.as_ref(), file, range.clone(), &mut into).await
        })
        .await?;
        Ok(Part { number, bytes: memory.into_inner().bytes() })
    }

    /// Again and again with longer pauses, as long as that may help.
    async fn patiently<T, F>(&self, work: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, BytesError>>,
    {
        let mut tried = 1;
        loop {
            match work().await {
                Ok(done) => return Ok(done),
                Err(BytesError::Again(failure)) if tried < TRIES => {
                    tracing::debug!("{failure}; again");
                    self.clock.sleep(FIRST_PAUSE * 2u32.pow(tried - 1)).await;
                    tried += 1;
                }
                Err(error) => return Err(error.into_failure()),
            }
        }
    }
}

/// A range as one piece of memory. A cloud that answers with more or fewer bytes than were asked
/// for has not understood the question.
async fn whole(from: &dyn Store, file: &FileEntry, range: Range<u64>, into: &mut Loan) -> Result<(), BytesError> {
    let length = range.end - range.start;
    let doing = || format!("read {}", file.path);
    let mut chunks = from.read(file, range).await?;
    into.clear();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| {
            BytesError::Again(Failure::new(Reason::WorkspaceUnreachable, doing()).because(e).hint("run again"))
        })?;
        if !into.push(&chunk) {
            return Err(BytesError::Again(wrong_length(doing(), length)));
        }
    }
    match into.is_full() {
        true => Ok(()),
        false => Err(BytesError::Again(wrong_length(doing(), length))),
    }
}

fn wrong_length(doing: String, length: u64) -> Failure {
    Failure::new(Reason::MalformedReply, format!("{doing}: the answer has not the {length} bytes that were asked for"))
        .hint("run again; if it stays so, the stored file is not as long as it is listed")
}

/// Hashes parts in the order in which they are given, on a thread that does nothing else.
struct Hasher(mpsc::Sender<Bytes>);

impl Hasher {
    fn start() -> (Self, impl Future<Output = Result<String, Failure>>) {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(2);
        let work = tokio::task::spawn_blocking(move || {
            let mut sha = Sha256::new();
            while let Some(bytes) = receiver.blocking_recv() {
                sha.update(&bytes);
            }
            hex(&sha.finalize())
        });
        let hashed = async { work.await.map_err(|e| Failure::new(Reason::Internal, "hash a file").because(e)) };
        (Self(sender), hashed)
    }

    async fn next(&self, bytes: Bytes) {
        self.0.send(bytes).await.expect("the hashing thread ends after its sender");
    }
}

/// At least what every cloud takes, and so big that the parts are not too many.
fn part_size(size: u64, way: Option<Way>) -> u64 {
    match way {
        Some(Way::Parts { least, most_parts }) => PART.max(least).max(size.div_ceil(most_parts.max(1))),
        _ => PART,
    }
}

fn ranges(size: u64, part: u64) -> Vec<Range<u64>> {
    (0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX)).map(|from| from..(from + part).min(size)).collect()
}
