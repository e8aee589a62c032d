//! An image for containers of the user's own: a rootfs tar, or an archive that `docker save` or `podman save` wrote,
//! whose layers are laid over each other into one tar. Only its files are taken: commands, variables and volumes are
//! the stories' own.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tar::{Archive, Builder, EntryType};

use super::cache;
use super::error::InstallError;
use super::userland::decompress;
use super::workshop::Workshop;

/// Change it when a tar comes to look different.
const RECIPE: &str = "container image 1";
/// What marks a file of a lower layer as removed, before its name, and a folder whose lower contents are.
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// One image of an archive's `manifest.json`.
#[derive(Deserialize)]
struct Manifest {
    /// The layers' tars in the archive, lowest first.
    #[serde(rename = "Layers")]
    layers: Vec<PathBuf>,
}

impl Workshop<'_> {
    /// The root file system in an image, as one plain tar.
    ///
    /// # Errors
    /// When it cannot be read, is no image, or holds more than one.
    pub fn container_image(&self, image: &Path) -> Result<PathBuf, InstallError> {
        let sha256 = cache::hash_file(image).map_err(InstallError::file(image))?;
        let dir = self.built("container-image", &cache::key([RECIPE, &sha256]), |dir| {
            let plain = dir.join("archive.tar");
            decompress(image, &plain)?;
            let wrong = |reason: String| not_an_image(image, &reason);
            match manifest(&plain).map_err(wrong)? {
                None if is_root(&plain).map_err(InstallError::file(image))? => {
                    std::fs::rename(&plain, dir.join("root.tar")).map_err(InstallError::file(&plain))
                }
                None => Err(wrong("it holds neither manifest.json nor a shell in bin/sh".to_owned())),
                Some(layers) => {
                    let layers = unpacked(&plain, &layers, dir, image)?;
                    let root = dir.join("root.tar");
                    flatten(&layers, &root).map_err(InstallError::file(image))?;
                    for file in layers.iter().chain([&plain]) {
                        std::fs::remove_file(file).map_err(InstallError::file(file))?;
                    }
                    Ok(())
                }
            }
        })?;
        Ok(dir.join("root.tar"))
    }
}

fn not_an_image(path: &Path, reason: &str) -> InstallError {
    InstallError::NotUsable {
        path: path.to_owned(),
        reason: format!("{reason}; a tar of a root file system is wanted, or what `docker save` wrote"),
    }
}

fn open(path: &Path) -> std::io::Result<Archive<BufReader<File>>> {
    Ok(Archive::new(BufReader::new(File::open(path)?)))
}

/// A path as it is in every archive: `./bin/sh` and `/bin/sh` are `bin/sh`.
fn plain_path(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect()
}

/// The layers of an archive's one image; none where it is no archive of images.
fn manifest(archive: &Path) -> Result<Option<Vec<PathBuf>>, String> {
    let mut archive = open(archive).map_err(|error| error.to_string())?;
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| format!("it is no tar, or is cut short: {error}"))?;
        let path = entry.path().map_err(|error| error.to_string())?.into_owned();
        if plain_path(&path) != Path::new("manifest.json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).map_err(|error| error.to_string())?;
        let manifests: Vec<Manifest> =
            serde_json::from_str(&text).map_err(|error| format!("its manifest.json: {error}"))?;
        return match <[Manifest; 1]>::try_from(manifests) {
            Ok([Manifest { layers }]) => Ok(Some(layers)),
            Err(several) => Err(format!("it holds {} images: save one alone", several.len())),
        };
    }
    Ok(None)
}

fn is_root(tar: &Path) -> std::io::Result<bool> {
    for entry in open(tar)?.entries()? {
        let path = plain_path(&entry?.path()?);
        if path == Path::new("bin/sh") || path == Path::new("usr/bin/sh") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Each layer as a plain tar of its own, lowest first.
fn unpacked(
    archive: &Path,
    names: &[PathBuf],
    dir: &Path,
    image: &Path,
) -> Result<Vec<PathBuf>, InstallError> {
    let mut found = vec![None; names.len()];
    let mut tar = open(archive).map_err(InstallError::file(archive))?;
    for entry in tar.entries().map_err(InstallError::file(archive))? {
        let mut entry = entry.map_err(InstallError::file(archive))?;
        let path = plain_path(&entry.path().map_err(InstallError::file(archive))?);
        // Two layers of one name are one layer twice: the second lays nothing new over the first.
        if let Some(at) = names.iter().position(|name| plain_path(name) == path) {
            let (packed, plain) = (dir.join("layer"), dir.join(format!("layer-{at}.tar")));
            let mut file = File::create(&packed).map_err(InstallError::file(&packed))?;
            std::io::copy(&mut entry, &mut file).map_err(InstallError::file(&packed))?;
            decompress(&packed, &plain)?;
            std::fs::remove_file(&packed).map_err(InstallError::file(&packed))?;
            found[at] = Some(plain);
        }
    }
    let missing = |name: &PathBuf| not_an_image(image, &format!("its layer {} is not in it", name.display()));
    let mut layers = Vec::new();
    for (at, (name, layer)) in names.iter().zip(&found).enumerate() {
        match layer {
            Some(layer) => layers.push(layer.clone()),
            None if names[..at].contains(name) => {}
            None => return Err(missing(name)),
        }
    }
    Ok(layers)
}

/// Lays layers over each other: from the highest down, whatever no higher one has, removed or replaced.
fn flatten(layers: &[PathBuf], root: &Path) -> std::io::Result<()> {
    let mut builder = Builder::new(BufWriter::new(File::create(root)?));
    // `seen` paths are told by a higher layer, with all below them where they are `covered`; of an `opaque` folder
    // what is below it is hidden, and not itself.
    let (mut seen, mut covered, mut opaque) = (HashSet::new(), HashSet::new(), HashSet::new());
    for layer in layers.iter().rev() {
        let (mut now_seen, mut now_covered, mut now_opaque) = (Vec::new(), Vec::new(), Vec::new());
        for entry in open(layer)?.entries()? {
            let mut entry = entry?;
            let path = plain_path(&entry.path()?);
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            if name == OPAQUE {
                now_opaque.push(folder);
                continue;
            }
            if let Some(removed) = name.strip_prefix(WHITEOUT) {
                now_covered.push(folder.join(removed));
                continue;
            }
            let hidden = |path: &Path| {
                seen.contains(path)
                    || path.ancestors().any(|above| covered.contains(above))
                    || path.ancestors().skip(1).any(|above| opaque.contains(above))
            };
            if hidden(&path) || path.as_os_str().is_empty() {
                continue;
            }
            let mut header = entry.header().clone();
            let link = entry.link_name()?.map(|target| plain_path(&target));
            if header.entry_type() == EntryType::Link
                && let Some(target) = link.filter(|target| hidden(target))
            {
                // Its other name is a higher layer's now, or nobody's: the bytes are this layer's.
                copy(layer, &target, &path, &mut builder)?;
                now_covered.push(path.clone());
                now_seen.push(path);
                continue;
            }
            match (header.entry_type(), entry.link_name()?.map(std::borrow::Cow::into_owned)) {
                (kind @ (EntryType::Symlink | EntryType::Link), Some(target)) => {
                    let target = if kind == EntryType::Link { plain_path(&target) } else { target };
                    builder.append_link(&mut header, &path, target)?;
                }
                _ => builder.append_data(&mut header, &path, &mut entry)?,
            }
            if !header.entry_type().is_dir() {
                now_covered.push(path.clone());
            }
            now_seen.push(path);
        }
        seen.extend(now_seen);
        covered.extend(now_covered);
        opaque.extend(now_opaque);
    }
    builder.into_inner()?.flush()
}

/// A file of a layer under another name.
fn copy<W: Write>(layer: &Path, from: &Path, to: &Path, builder: &mut Builder<W>) -> std::io::Result<()> {
    for entry in open(layer)?.entries()? {
        let mut entry = entry?;
        if plain_path(&entry.path()?) == from && entry.header().entry_type().is_file() {
            let mut header = entry.header().clone();
            return builder.append_data(&mut header, to, &mut entry);
        }
    }
    let what = format!("{} is a link to {}, which is not in its layer", to.display(), from.display());
    Err(std::io::Error::other(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(dir: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = dir.join(name);
        let mut builder = Builder::new(File::create(&path).unwrap());
        for (file, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            if file.ends_with('/') {
                header.set_entry_type(EntryType::Directory);
            }
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, file, text.as_bytes()).unwrap();
        }
        builder.finish().unwrap();
        path
    }

    #[rstest::rstest]
    #[case::replaced(&[("a", "old"), ("b", "b")], &[("a", "new")], &[("a", "new"), ("b", "b")])]
    #[case::removed(&[("d/", ""), ("d/a", "a"), ("d/b", "b")], &[("d/.wh.a", "")], &[("d", ""), ("d/b", "b")])]
    #[case::emptied(&[("d/", ""), ("d/a", "a")], &[("d/", ""), ("d/.wh..wh..opq", ""), ("d/c", "c")], &[("d", ""), ("d/c", "c")])]
    #[case::a_folder_gone(&[("d/", ""), ("d/a", "a")], &[(".wh.d", "")], &[])]
    #[case::a_file_in_place_of_a_folder(&[("d/", ""), ("d/a", "a")], &[("d", "file")], &[("d", "file")])]
    fn layers_are_laid_over_each_other(
        #[case] lower: &[(&str, &str)],
        #[case] upper: &[(&str, &str)],
        #[case] expected: &[(&str, &str)],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let layers = [layer(dir.path(), "0", lower), layer(dir.path(), "1", upper)];
        let root = dir.path().join("root.tar");
        flatten(&layers, &root).unwrap();
        let mut found: Vec<(String, String)> = open(&root)
            .unwrap()
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                (plain_path(&entry.path().unwrap()).display().to_string(), text)
            })
            .collect();
        found.sort();
        let expected: Vec<_> =
            expected.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect();
        assert_eq!(found, expected);
    }

    /// Where `a` is removed, and where it is replaced: its other name `b` keeps what it was.
    #[rstest::rstest]
    #[case(&[(".wh.a", "")])]
    #[case(&[("a", "new")])]
    fn a_hard_link_outlives_its_other_name(#[case] upper: &[(&str, &str)]) {
        let dir = tempfile::tempdir().unwrap();
        let lower = dir.path().join("0");
        let mut builder = Builder::new(File::create(&lower).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        builder.append_data(&mut header, "a", &b"old"[..]).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Link);
        header.set_size(0);
        builder.append_link(&mut header, "b", "a").unwrap();
        builder.finish().unwrap();
        let root = dir.path().join("root.tar");
        flatten(&[lower, layer(dir.path(), "1", upper)], &root).unwrap();
        let mut archive = open(&root).unwrap();
        let mut b =
            archive.entries().unwrap().map(Result::unwrap).find(|it| it.path().unwrap() == Path::new("b"));
        let mut text = String::new();
        b.as_mut().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "old");
    }

    #[rstest::rstest]
    #[case::no_archive(&[("bin/sh", "")], Ok(None))]
    #[case::one(&[("manifest.json", r#"[{"Layers": ["a/layer.tar"]}]"#)], Ok(Some(vec!["a/layer.tar".into()])))]
    #[case::two(&[("manifest.json", r#"[{"Layers": []}, {"Layers": []}]"#)], Err("it holds 2 images: save one alone"))]
    fn what_an_archive_holds(
        #[case] files: &[(&str, &str)],
        #[case] expected: Result<Option<Vec<PathBuf>>, &str>,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let archive = layer(dir.path(), "archive", files);
        assert_eq!(manifest(&archive), expected.map_err(str::to_owned));
    }
}
