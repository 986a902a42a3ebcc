//! From the command line's options to the summary.

use super::{DemoConfig, dispatcher::Dispatcher, inputs, load, queue::Queue, summary::Summary};
use crate::{
    config::{Common, CommonSections, Reader, Variables},
    drivers::driver,
    program_config::InputError,
    state_dir,
};
use pool_core::{DriverContext, InstanceSetLock, Pool, SshConfig, SshConnector};
use std::path::{Path, PathBuf};

/// The configuration that is used when none is given.
pub(crate) const DEFAULT_CONFIG: &str = include_str!("default.toml");

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct DemoOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) json: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DemoEnd {
    pub(crate) as_expected: bool,
    pub(crate) interrupted: bool,
}

/// Runs the demo and prints its summary.
///
/// # Errors
/// [`InputError`] when what it was given cannot be used; nothing was started then.
pub(crate) async fn run(options: DemoOptions) -> Result<DemoEnd, InputError> {
    // All that can be wrong is found before anything is made.
    let (config, demo) = read(options.config.as_deref())?;
    let chosen = driver(&config.driver.name)?;
    let runner = config.runner.source();
    let state_dir = match &options.state_dir {
        Some(path) => state_dir::open(path)?,
        None => {
            let parent = std::env::temp_dir();
            let new = tempfile::Builder::new().prefix("poold-demo-").tempdir_in(&parent);
            state_dir::open(&new.map_err(InputError::file(&parent))?.keep())?
        }
    };
    let key = config.ssh.key(&state_dir)?;
    let lock = InstanceSetLock::acquire(&state_dir, &config.pool.instance_set)?;
    let context = DriverContext {
        instance_set: config.pool.instance_set.clone(),
        state_dir: state_dir.join(chosen.name()),
    };
    let cloud =
        chosen.open(config.driver.options.clone(), context).await.map_err(InputError::DriverOptions)?;

    let inputs_dir = state_dir.join("inputs");
    let (files, size, seed) = (demo.files, demo.file_size, demo.seed);
    let directory = inputs_dir.clone();
    let making = tokio::task::spawn_blocking(move || inputs::make(&directory, files, size, seed));
    let files = making
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        .map_err(InputError::file(&inputs_dir))?;
    let outputs = state_dir.join("outputs");
    std::fs::create_dir_all(&outputs).map_err(InputError::file(&outputs))?;

    let connector = SshConnector::new(SshConfig::new(key));
    let pool = Pool::builder(config.pool, cloud, connector).runner(runner).lock(&lock).start()?;
    let queue = Queue::new(load::jobs(&files));
    let mut dispatcher = Dispatcher::new(pool.clone(), queue, outputs.clone());
    dispatcher.run().await;
    pool.stop().await;

    let mut summary = Summary::of(&dispatcher, &outputs);
    // A directory that nobody asked for keeps nothing but what may be looked at; all of it when something is wrong.
    if options.state_dir.is_none()
        && summary.problems.is_empty()
        && let Err(error) = keep_only(&state_dir, &outputs)
    {
        summary.problems.push(format!("{} could not be cleaned up: {error}", state_dir.display()));
    }
    if options.json {
        match serde_json::to_string_pretty(&summary) {
            Ok(text) => println!("{text}"),
            Err(error) => unreachable!("a summary has only text keys: {error}"),
        }
    } else {
        print!("{}", summary.text());
    }
    Ok(DemoEnd { as_expected: summary.as_expected, interrupted: summary.interrupted })
}

/// Not changed by the environment, which is made for `poold serve`: that might name another cloud.
fn read(path: Option<&Path>) -> Result<(Common, DemoConfig), InputError> {
    let mut reader = Reader::open(path, DEFAULT_CONFIG, Variables::none())?;
    let common = CommonSections::read(&mut reader);
    common.check_files(&mut reader);
    let demo = reader.section::<DemoConfig>("demo");
    if let (Some(config), true) = (&demo.value, demo.sound) {
        reader.checked("demo", config.validate());
    }
    reader.finish(common.into_common().zip(demo.value))
}

/// Deletes all that is in a directory but for one entry.
fn keep_only(directory: &Path, kept: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if path != kept {
            if kind.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
    }
    Ok(())
}
