//! A picture small: JPEG, PNG, WebP, and the first frame of a GIF, the right way up, with nothing but pixels in it.
//!
//! What comes in is a stranger's. A header is read before anything is decoded, and what is too large by it is not decoded; a decoder that
//! panics has found a broken picture.

use std::{io::Cursor, panic, sync::Arc};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    metadata::Orientation,
};
use tokio::sync::Semaphore;

/// The longest side of a preview, in pixels.
pub const SIDE: u32 = 320;

/// The most pixels that are decoded: those of a telephone's 48 megapixels. A progressive JPEG of so many takes 0.5 GiB for a moment.
pub const PIXELS: u64 = 50_000_000;

/// The longest file that is decoded, in bytes.
pub const LONGEST: usize = 32 << 20;

/// The quality of a preview that is a JPEG.
const QUALITY: u8 = 80;

/// The side of what a ThumbHash is made of, in pixels: 100 at most, and it holds no more than 7 x 7 waves.
const HASHED: u32 = 64;

/// A picture small, and what is known of the large one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The preview's bytes: a JPEG, or a PNG where something shines through.
    pub bytes: Bytes,
    /// Their media type.
    pub mime: &'static str,
    /// The width of the picture as it is shown, in pixels.
    pub width: u32,
    /// Its height as it is shown, in pixels.
    pub height: u32,
    /// Its ThumbHash (<https://evanw.github.io/thumbhash>), 25 bytes at most: something to show until there is more.
    pub hash: Vec<u8>,
}

/// Why there is no preview. The file may be fine all the same, but for [`NoPreview::Broken`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPreview {
    /// It is no picture of a kind that is decoded here.
    #[error("it is no JPEG, PNG, WebP or GIF")]
    Unknown,
    /// It is too large to be decoded.
    #[error("it is too large to be decoded")]
    TooLarge {
        /// Its width and height by its header, in pixels, where that was looked at. They may be turned.
        sides: Option<(u32, u32)>,
    },
    /// It can't be decoded.
    #[error("it is broken: {0}")]
    Broken(String),
}

/// Makes previews, so many at once: each takes up to half a gibibyte.
#[derive(Debug, Clone)]
pub struct Previews(Arc<Semaphore>);

impl Previews {
    /// Makes at most `at_once` at a time; the others wait.
    pub fn new(at_once: usize) -> Previews {
        Previews(Arc::new(Semaphore::new(at_once)))
    }

    /// Makes a preview on a thread of its own. It is done to its end, also where nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// Where there can be no preview.
    pub async fn make(&self, file: Bytes) -> Result<Preview, NoPreview> {
        let turn = self.0.clone().acquire_owned().await.expect("nobody closes the semaphore");
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            preview(&file)
        });
        made.await.unwrap_or_else(|ended| Err(NoPreview::Broken(ended.to_string())))
    }
}

/// Makes a preview here and now, which takes up to seconds.
///
/// # Errors
///
/// Where there can be no preview.
pub fn preview(file: &[u8]) -> Result<Preview, NoPreview> {
    if file.len() > LONGEST {
        return Err(NoPreview::TooLarge { sides: None });
    }
    panic::catch_unwind(|| decoded(file).and_then(small))
        .unwrap_or_else(|_| Err(NoPreview::Broken("its decoder gave up".to_owned())))
}

/// The picture, and how it has to be turned.
fn decoded(file: &[u8]) -> Result<(DynamicImage, Orientation), NoPreview> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(broken)?;
    let formats = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif];
    if !reader.format().is_some_and(|format| formats.contains(&format)) {
        return Err(NoPreview::Unknown);
    }
    // The sides are looked at below, where what is said of them can be told.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(8 * PIXELS + (64 << 20));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS {
        return Err(NoPreview::TooLarge { sides: Some((width, height)) });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder).map_err(refused)?, orientation))
}

/// Made small first and turned then: it is the same, and a lot less to turn.
fn small((picture, orientation): (DynamicImage, Orientation)) -> Result<Preview, NoPreview> {
    let (width, height) = (picture.width(), picture.height());
    if width == 0 || height == 0 {
        return Err(NoPreview::Broken("it has no pixels".to_owned()));
    }
    let mut small = if width.max(height) > SIDE { picture.thumbnail(SIDE, SIDE) } else { picture };
    small.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };

    let tiny = small.thumbnail(HASHED, HASHED).into_rgba8();
    let hash = thumbhash::rgba_to_thumb_hash(tiny.width() as usize, tiny.height() as usize, tiny.as_raw());

    let mut bytes = Vec::new();
    let clear = small.color().has_alpha() && small.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255);
    let mime = if clear {
        small.into_rgba8().write_with_encoder(PngEncoder::new(&mut bytes)).map_err(broken)?;
        "image/png"
    } else {
        small.into_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).map_err(broken)?;
        "image/jpeg"
    };
    Ok(Preview { bytes: bytes.into(), mime, width, height, hash })
}

fn refused(error: image::ImageError) -> NoPreview {
    if matches!(error, image::ImageError::Limits(_)) { NoPreview::TooLarge { sides: None } } else { broken(error) }
}

fn broken(error: impl ToString) -> NoPreview {
    NoPreview::Broken(error.to_string())
}
