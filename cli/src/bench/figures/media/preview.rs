//! The small picture of a telephone's photograph: what it costs in CPU, beside ImageMagick's.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use image::{ColorType, ImageEncoder, codecs::jpeg::JpegEncoder};
use nix::sys::resource::{UsageWho, getrusage};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tempfile::TempDir;

use super::MIB;
use crate::bench::{
    figures::{millis, ratio, say},
    generator::{Meter, pinned},
    report::{Row, Verdict},
};

/// The sides of the photograph, in pixels, and how many bytes it has.
const SIDES: (u32, u32) = (4000, 3000);
const BYTES: usize = 3 * MIB;
/// The quality of both small pictures, as of Dunlin's.
const QUALITY: u8 = 80;
/// How often each is made.
const TIMES: usize = 9;

/// Measures it, in turns with ImageMagick.
pub(super) fn run() -> anyhow::Result<Row> {
    say("a picture: made small by ImageMagick and by us");
    let folder = TempDir::new()?;
    let (photograph, small) = (folder.path().join("photograph.jpg"), folder.path().join("small.jpg"));
    let bytes = photograph_of(BYTES)?;
    fs::write(&photograph, &bytes)?;
    let magick = magick();
    let (mut ours, mut whole, mut scaled) = (Vec::new(), Vec::new(), Vec::new());
    let mut sides = None;
    for _ in 0..TIMES {
        if let Some(magick) = &magick {
            whole.push(made_small(magick, &[], &photograph, &small)?);
            // libjpeg then gives an eighth of the pixels in each direction, or as many as are needed, without decoding the others.
            let side = 2 * dunlin_store::SIDE;
            scaled.push(made_small(magick, &["-define", &format!("jpeg:size={side}x{side}")], &photograph, &small)?);
        }
        let (cpu, preview) = pinned(|| {
            let meter = Meter::begin()?;
            let preview = dunlin_store::preview(&bytes)?;
            Ok((meter.cpu()?, preview))
        })?;
        ours.push(cpu);
        sides = Some((preview.width, preview.height, preview.bytes.len()));
    }
    let ours = median(&mut ours).context("it was made")?;
    let (whole, scaled) = (median(&mut whole), median(&mut scaled));
    let none = || "not measured: no ImageMagick".to_owned();
    Ok(Row {
        what: format!("CPU of the preview of a JPEG of {:.1} MB, {} x {}", bytes.len() as f64 / 1e6, SIDES.0, SIDES.1),
        goal: "-".into(),
        floor: Some((whole.map_or_else(none, millis), scaled.map_or_else(none, millis))),
        ours: millis(ours),
        ratio: whole.map(|whole| ratio(ours, [whole, whole])),
        generator: None,
        verdict: Verdict::Shown,
        notes: vec![format!(
            "medians of {TIMES}; the floor is ImageMagick's `-thumbnail`, first of all pixels, then with `jpeg:size` of \
             twice the sides; what we made of it: {sides:?}"
        )],
    })
}

/// ImageMagick, of whichever version: what bears its name need not be it.
fn magick() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let programs = env::split_paths(&folders).flat_map(|folder| ["magick", "convert"].map(|name| folder.join(name)));
    programs.into_iter().find(|program| {
        let told = Command::new(program).arg("-version").stderr(Stdio::null()).output();
        told.is_ok_and(|told| told.stdout.starts_with(b"Version: ImageMagick"))
    })
}

/// The CPU time of ImageMagick's making `from` small.
fn made_small(magick: &Path, how: &[&str], from: &Path, to: &Path) -> anyhow::Result<Duration> {
    let side = dunlin_store::SIDE;
    let mut command = Command::new(magick);
    command.args(["-limit", "thread", "1"]).args(how).arg(from).arg("-auto-orient");
    command.args(["-thumbnail", &format!("{side}x{side}"), "-quality", &QUALITY.to_string()]).arg(to);
    let before = cpu_of_children()?;
    let status = command.status()?;
    anyhow::ensure!(status.success(), "{}: {status}", magick.display());
    Ok(cpu_of_children()? - before)
}

fn cpu_of_children() -> anyhow::Result<Duration> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |part: nix::sys::time::TimeVal| Duration::new(part.tv_sec() as u64, 1000 * part.tv_usec() as u32);
    Ok(time(used.user_time()) + time(used.system_time()))
}

fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}

/// A picture of hills and of as much noise as makes it `wanted` bytes long, within 2 %.
fn photograph_of(wanted: usize) -> anyhow::Result<Vec<u8>> {
    let (width, height) = SIDES;
    let (mut least, mut most) = (0.0, 128.0);
    loop {
        let noise = (least + most) / 2.0;
        let mut random = SmallRng::seed_from_u64(4);
        let mut pixels = Vec::with_capacity((3 * width * height) as usize);
        for place in 0..width * height {
            let (x, y) = ((place % width) as f32 / width as f32, (place / width) as f32 / height as f32);
            let grain = random.random_range(-1.0_f32..1.0) * noise;
            let hill = |slope: f32| 128.0 + 100.0 * (slope * x).sin() * (1.7 * slope * y).cos() + grain;
            pixels.extend([hill(7.0), hill(11.0), hill(23.0)].map(|value| value as u8));
        }
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90).write_image(&pixels, width, height, ColorType::Rgb8.into())?;
        if bytes.len().abs_diff(wanted) <= wanted / 50 {
            return Ok(bytes);
        }
        *(if bytes.len() < wanted { &mut least } else { &mut most }) = noise;
        anyhow::ensure!(most - least > 1e-3, "no picture is {wanted} bytes long");
    }
}
