import io
import os
import signal
import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="PyAV isn't installed (pip install 'wdsr-tf[video]')")
from tests.conftest import REPOSITORY
from tests.helpers import videos
from tests.helpers.videos import Repeating, Shape, steady
from wdsr_tf.errors import InputError
from wdsr_tf.video import VideoOptions, sample_of, upscale_video
from wdsr_tf.video.segments import LENGTH
from wdsr_tf.video.source import open_source

FONT = ("font.ttf", "application/x-truetype-font", b"\1\2\3" * 100)
HLG = (9, 18, 9, 1)  # BT.2020, HLG, BT.2020, limited


@pytest.fixture
def film(tmp_path):
    """A short video with two languages, subtitles, chapters, a font, and a title."""
    path = tmp_path / "film.mkv"
    videos.write(
        path,
        steady(50),
        sounds=("deu", "eng"),
        subtitles=True,
        chapters=("One", "Two"),
        attachments=[FONT],
    )
    return path


def upscaled(path, name="large.mkv", scale=2, log=None, **options):
    """Upscales `path` to a file beside it, with every pixel repeated; returns that."""
    target = path.with_name(name)
    upscale_video(Repeating(scale), path, target, VideoOptions(**options), log=log)
    return target


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".partial")]


def test_every_other_stream_and_all_metadata_are_copied_as_they_are(film):
    large = upscaled(film)
    assert videos.kinds_of(large) == ["video", "audio", "audio", "subtitle", "attachment"]
    for index in (1, 2, 3):
        assert videos.packets_of(large, index) == videos.packets_of(film, index)
    with videos.av.open(str(large)) as result, videos.av.open(str(film)) as source:
        assert [stream.language for stream in result.streams.audio] == ["deu", "eng"]
        assert [chapter["metadata"]["title"] for chapter in result.chapters()] == ["One", "Two"]
        assert result.metadata["title"] == "Film & more"
        assert result.streams[4].data == source.streams[4].data and result.streams[4].name == "font.ttf"
        assert (result.streams[0].width, result.streams[0].height) == (128, 96)
    assert leftovers(film.parent) == []


def test_a_cover_and_a_time_code_go_from_container_to_container(tmp_path):
    png = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(png, "png")
    cover = ("front.png", "image/png", png.getvalue())
    videos.write(tmp_path / "a.mkv", steady(3), attachments=[cover])
    for source, name in (("a.mkv", "b.mp4"), ("b.mp4", "c.mkv"), ("a.mkv", "d.mkv")):
        large = upscaled(tmp_path / source, name)
        assert videos.packets_of(large, 1) == [png.getvalue()]
        with videos.av.open(str(large)) as container:
            assert container.streams[1].disposition.name == "attached_pic" and len(container.streams) == 2

    videos.write(tmp_path / "camera.mov", steady(3), tags={"timecode": "01:00:00:00"})
    assert videos.kinds_of(tmp_path / "camera.mov") == ["video", "data"]
    for name, kinds in (("large.mov", ["video", "data"]), ("large.mkv", ["video"])):
        large = upscaled(tmp_path / "camera.mov", name)
        assert videos.kinds_of(large) == kinds
        with videos.av.open(str(large)) as container:
            tags = {tag.lower(): text for tag, text in container.streams[0].metadata.items()}
        assert tags["timecode"] == "01:00:00:00"


def test_ffprobe_counts_the_same_frames_and_streams(film):
    large = upscaled(film)
    found = videos.ffprobe(large, "-count_frames", "-show_streams", "-show_format")
    assert found["streams"][0]["nb_read_frames"] == "50" and found["format"]["nb_streams"] == 5
    assert found["streams"][0]["avg_frame_rate"] == "25/1"
    assert abs(float(found["format"]["duration"]) - 2) < 0.05


@pytest.mark.parametrize("name", ["large.mkv", "large.mp4", "large.mov"])
def test_a_variable_frame_rate_with_b_frames_keeps_every_time_stamp(tmp_path, name):
    times = [290 + time for n, time in enumerate(steady(60)) if n % 7 not in (3, 4) and not 40 < n < 59]
    videos.write(tmp_path / "vfr.mp4", times, Shape(options={"bf": "3", "b_strategy": "0"}))
    with videos.av.open(str(tmp_path / "vfr.mp4")) as container:
        assert next(container.demux(video=0)).dts < 0
    large = upscaled(tmp_path / "vfr.mp4", name)
    kept = videos.times_of(tmp_path / "vfr.mp4")
    slack = Fraction(1, 2000) if name.endswith("mkv") else 0  # Matroska counts in milliseconds
    assert len(kept) == len(times)
    assert all(abs(ours - theirs) <= slack for ours, theirs in zip(videos.times_of(large), kept, strict=True))


def test_times_do_not_drift_over_an_hour(tmp_path):
    unit = Fraction(1001, 24_000)
    times = [0, 1, 2, *range(86_300, 86_303)]
    videos.write(tmp_path / "long.mp4", times, Shape(time_base=unit))
    for name in ("large.mp4", "large.mkv"):
        last = videos.times_of(upscaled(tmp_path / "long.mp4", name))[-1]
        assert abs(last - 86_302 * unit) <= (0 if name == "large.mp4" else Fraction(1, 2000))


def test_ten_bits_hlg_tags_pixels_of_4_to_3_and_rotation_are_kept(tmp_path):
    shape = Shape("libx265", "yuv420p10le", tags=HLG, aspect=Fraction(4, 3), rotation=videos.LEFT_TURN)
    videos.write(tmp_path / "phone.mp4", steady(5), shape)
    for name, codec in (("large.mp4", "libx264"), ("large.mkv", "libx265")):
        found = open_source(upscaled(tmp_path / "phone.mp4", name, codec=codec))
        assert found.layout.name == "yuv420p10le" and found.tags == HLG
        assert found.aspect == Fraction(4, 3) and found.rotation == videos.LEFT_TURN
    (stream,) = videos.ffprobe(tmp_path / "large.mkv", "-show_streams")["streams"]
    assert (stream["pix_fmt"], stream["color_space"], stream["color_transfer"], stream["color_primaries"]) == (
        "yuv420p10le",
        "bt2020nc",
        "arib-std-b67",
        "bt2020",
    )
    assert stream["sample_aspect_ratio"] == "4:3"
    assert [data["rotation"] for data in stream["side_data_list"] if "rotation" in data] == [90]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_hdr_metadata_is_kept(tmp_path, codec):
    display = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)"
    options = {"x265-params": f"log-level=error:master-display={display}:max-cll=1000,400"}
    videos.write(tmp_path / "hdr.mp4", steady(3), Shape("libx265", "yuv420p10le", options=options, tags=(9, 16, 9, 1)))
    light = open_source(tmp_path / "hdr.mp4").light
    assert light.luminance == (50, 10_000_000) and light.level == (1000, 400)
    assert light.is_near(open_source(upscaled(tmp_path / "hdr.mp4", codec=codec)).light, 0.01)


def test_what_an_encoder_or_a_container_would_lose_is_refused_by_name_before_any_work(film, tmp_path):
    upscaler = Repeating()
    with pytest.raises(InputError, match=r"mp4 files can't hold its stream 3 \(subtitle, .*\), its stream 4 "):
        upscale_video(upscaler, film, tmp_path / "large.mp4")
    videos.write(tmp_path / "wide.mp4", steady(3), Shape(aspect=Fraction(4, 3)))
    with pytest.raises(InputError, match="has pixels of 4:3, which libvpx-vp9 in mkv doesn't keep"):
        upscale_video(upscaler, tmp_path / "wide.mp4", tmp_path / "large.mkv", VideoOptions(codec="libvpx-vp9"))
    with pytest.raises(InputError, match="webm files can't hold video of the encoder libx264"):
        upscale_video(upscaler, tmp_path / "wide.mp4", tmp_path / "large.webm")
    assert upscaler.count == 0 and leftovers(tmp_path) == []

    said = []
    large = upscaled(film, "large.mp4", log=said.append, drop_unsupported=True)
    assert videos.kinds_of(large)[:3] == ["video", "audio", "audio"]
    assert any("left out: stream 4 (attachment" in line for line in said)


def test_the_encoder_its_quality_and_the_pixel_format_can_be_chosen(tmp_path):
    videos.write(tmp_path / "a.mp4", steady(10))
    fine = upscaled(tmp_path / "a.mp4", "fine.mkv", codec="libx265", crf=5, preset="ultrafast", pix_fmt="yuv444p10le")
    coarse = upscaled(tmp_path / "a.mp4", "coarse.webm", codec="libvpx-vp9", crf=60)
    with videos.av.open(str(fine)) as one, videos.av.open(str(coarse)) as other:
        assert one.streams[0].codec_context.name == "hevc" and one.streams[0].pix_fmt == "yuv444p10le"
        assert other.streams[0].codec_context.name == "vp9"
    assert fine.stat().st_size > 2 * coarse.stat().st_size
    for options, message in (
        ({"codec": "libx26"}, "Unknown encoder 'libx26'. Did you mean 'libx265'?"),
        ({"codec": "aac"}, "aac doesn't encode video"),
        ({"codec": "ffv1", "crf": 3}, "the encoder ffv1 has no such quality"),
        ({"preset": "slowest"}, "Check --preset"),
        ({"pix_fmt": "yuv999"}, "takes yuv420p"),
    ):
        with pytest.raises(InputError, match=message):
            upscaled(tmp_path / "a.mp4", **options)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "kept"),
    [("ffv1", "yuv420p", "yuv420p"), ("libvpx-vp9", "yuv420p", "yuv420p"), ("libx264rgb", "rgb24", "gbrp")],
)
def test_odd_sizes_and_rgb_keep_all_pixels(tmp_path, codec, pix_fmt, kept):
    videos.write(tmp_path / "odd.mkv", steady(3), Shape(codec, pix_fmt, size=(27, 35)))
    found = open_source(upscaled(tmp_path / "odd.mkv", scale=3, codec=codec))
    assert (found.height, found.width, found.layout.name) == (81, 105, kept)
    refusal = "needs an even number" if kept == "yuv420p" else "no pixel format that keeps"
    with pytest.raises(InputError, match=refusal):
        upscaled(tmp_path / "odd.mkv", scale=3)


def test_a_lossless_result_has_the_pixels_of_the_upscaler(tmp_path):
    videos.write(tmp_path / "a.mkv", steady(2), Shape("ffv1", "yuv444p"))
    large = upscaled(tmp_path / "a.mkv", codec="ffv1")
    with videos.av.open(str(large)) as result, videos.av.open(str(tmp_path / "a.mkv")) as source:
        for ours, theirs in zip(result.decode(video=0), source.decode(video=0), strict=True):
            for plane, small in zip(ours.to_ndarray(), theirs.to_ndarray(), strict=True):
                np.testing.assert_array_equal(plane, small.repeat(2, axis=0).repeat(2, axis=1))


def test_one_frame_is_a_video(tmp_path):
    videos.write(tmp_path / "one.mp4", [0])
    for name in ("large.mkv", "large.mp4"):
        assert videos.times_of(upscaled(tmp_path / "one.mp4", name)) == [0]


def test_equal_frames_in_a_row_are_computed_once(tmp_path):
    videos.write(tmp_path / "still.mkv", steady(12), Shape("ffv1"), picture=lambda h, w, n: videos.moving(h, w, n // 4))
    upscaler = Repeating()
    result = upscale_video(upscaler, tmp_path / "still.mkv", tmp_path / "large.mkv")
    assert (result.frames, result.computed, upscaler.count) == (12, 3, 3)
    assert len(videos.times_of(tmp_path / "large.mkv")) == 12


def test_interlaced_video_is_refused_unless_it_is_to_be_deinterlaced(tmp_path):
    shape = Shape("mpeg2video", options={"flags": "+ildct+ilme", "b": "2M"}, time_base=Fraction(1, 25))
    videos.write(tmp_path / "tv.mkv", list(range(10)), shape)
    with pytest.raises(InputError, match=r"is interlaced\. Pass --deinterlace"):
        upscaled(tmp_path / "tv.mkv")
    large = upscaled(tmp_path / "tv.mkv", deinterlace=True)
    assert videos.times_of(large) == videos.times_of(tmp_path / "tv.mkv")
    with videos.av.open(str(large)) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))


def test_a_broken_tail_is_named_and_what_can_be_decoded_is_upscaled(tmp_path):
    videos.write(tmp_path / "whole.mkv", steady(75), Shape(options={"g": "25"}))
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "broken.mkv").write_bytes(content[: len(content) * 6 // 10])
    said = []
    large = upscaled(tmp_path / "broken.mkv", log=said.append)
    assert 10 < len(videos.times_of(large)) < 75
    assert any("of the 75 frames that its header announces" in line for line in said)


def test_a_file_without_video_and_one_that_is_none_are_named(tmp_path):
    with videos.av.open(str(tmp_path / "sound.mkv"), "w") as container:
        videos._play(container, videos._sound(container, "eng"), 440, 0.2)
    with pytest.raises(InputError, match="has no video stream"):
        upscaled(tmp_path / "sound.mkv")
    (tmp_path / "noise.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(1000))
    with pytest.raises(InputError, match=r"noise\.mkv: can't be read"):
        upscaled(tmp_path / "noise.mkv")


def test_frames_by_number_and_by_time_are_a_sample_that_begins_at_zero_with_its_sound(film):
    times = videos.times_of(film)
    some = videos.times_of(upscaled(film, "some.mkv", sample=sample_of(frames="11-30")))
    assert len(some) == 20 and all(abs(a - (b - times[10])) < 0.001 for a, b in zip(some, times[10:30], strict=True))
    preview = upscaled(film, "preview.mkv", sample=sample_of(preview="0:01"))
    with videos.av.open(str(preview)) as container:
        assert [len(list(container.decode(video=0)))] == [sum(time >= 1 for time in times)]
    assert 40 < len(videos.packets_of(preview, 1)) < len(videos.packets_of(film, 1)) / 2 + 3
    with pytest.raises(InputError, match="no frames in the part"):
        upscaled(film, sample=sample_of(frames="90-95"))


@pytest.fixture(scope="module")
def three_segments(tmp_path_factory):
    """A video of three segments, interlaced, as those need frames before the first one; and its result."""
    folder = tmp_path_factory.mktemp("long")
    # Results are 128 pixels wide: narrower ones get other bits from libx264 each time, on CPUs with AVX-512.
    shape = Shape("mpeg2video", size=(64, 64), options={"flags": "+ildct+ilme", "g": "40"}, time_base=Fraction(1, 25))
    videos.write(folder / "long.mkv", list(range(2 * LENGTH + 100)), shape, sounds=("eng",))
    return folder / "long.mkv", upscaled(folder / "long.mkv", "at-once.mkv", deinterlace=True)


KILLED = """
import os, signal, sys
sys.path.insert(0, {repository!r})
from tests.helpers.videos import Repeating
from wdsr_tf.video import VideoOptions, upscale_video
def before(count):
    if count == {count}:
        os.kill(os.getpid(), signal.SIGKILL)
upscale_video(Repeating(before=before), {source!r}, {target!r}, VideoOptions(deinterlace=True))
"""


def killed(source, target):
    """Upscales in a process that is killed in the third segment."""
    words = {"repository": str(REPOSITORY), "source": str(source), "target": str(target), "count": 2 * LENGTH + 50}
    done = subprocess.run([sys.executable, "-c", KILLED.format(**words)], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL and not target.exists()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_run_is_continued_and_gives_the_same_bytes(three_segments, tmp_path):
    source, at_once = three_segments
    target, upscaler, said = tmp_path / "large.mkv", Repeating(), []
    killed(source, target)
    assert leftovers(tmp_path) == [".large.mkv.partial"]
    result = upscale_video(upscaler, source, target, VideoOptions(deinterlace=True), resume=True, log=said.append)
    assert f"Continuing after {2 * LENGTH} finished frames." in said
    assert result.frames == 2 * LENGTH + 100 and upscaler.count <= 100
    assert target.read_bytes() == at_once.read_bytes()
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_what_was_finished_with_other_options_or_without_resume_is_made_again(three_segments, tmp_path):
    source, at_once = three_segments
    target, said = tmp_path / "large.mkv", []
    killed(source, target)
    with pytest.raises(KeyboardInterrupt):
        options = VideoOptions(crf=20, deinterlace=True)
        upscale_video(Repeating(before=_interrupt), source, target, options, resume=True, log=said.append)
    assert any("the video, model, engine or an option changed" in line for line in said)
    killed(source, target)
    upscale_video(Repeating(), source, target, VideoOptions(deinterlace=True), log=said.append)
    assert any("pass --resume to continue it" in line for line in said)
    assert target.read_bytes() == at_once.read_bytes()


def _interrupt(count):
    raise KeyboardInterrupt


def test_an_interruption_leaves_nothing_but_what_resume_needs(three_segments, tmp_path):
    source, at_once = three_segments

    def before(count):
        if count == LENGTH + 60:
            raise KeyboardInterrupt

    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            upscale_video(
                Repeating(before=before), source, tmp_path / "a.mkv", VideoOptions(deinterlace=True), resume=resume
            )
        assert [path.name for path in tmp_path.iterdir()] == ([".a.mkv.partial"] if resume else [])
    upscale_video(Repeating(), source, tmp_path / "a.mkv", VideoOptions(deinterlace=True), resume=True)
    assert (tmp_path / "a.mkv").read_bytes() == at_once.read_bytes()


def test_a_result_that_lacks_a_frame_is_found_and_never_appears(tmp_path, monkeypatch):
    from wdsr_tf.video import joining

    real = joining.segments.packets
    monkeypatch.setattr(joining.segments, "packets", lambda path: list(real(path))[:-1])
    videos.write(tmp_path / "a.mp4", steady(10))
    with pytest.raises(InputError, match="its frames should be 10, but it has 9"):
        upscaled(tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_untagged_colors_stay_what_players_show_when_a_video_grows_beyond_sd(tmp_path):
    videos.write(tmp_path / "sd.mp4", steady(2), Shape(size=(480, 32)))
    assert open_source(upscaled(tmp_path / "sd.mp4")).tags[2] == 6  # BT.601, which it was taken for
    videos.write(tmp_path / "small.mp4", steady(2))
    assert open_source(upscaled(tmp_path / "small.mp4", "small-2.mkv")).tags[2] == 2


def test_light_is_read_as_ffmpeg_lays_it_out():
    from types import SimpleNamespace

    from wdsr_tf.video.hdr import light_of

    numbers = [34000, 50000, 16000, 50000, 13250, 50000, 34500, 50000, 7500, 50000, 3000, 50000, 15635, 50000]
    numbers += [16450, 50000, 50, 10000, 10000000, 10000]
    data = struct.pack("=20i2i", *numbers, 1, 1)

    class Data(bytes):
        type = SimpleNamespace(name="MASTERING_DISPLAY_METADATA")

    light = light_of(SimpleNamespace(side_data=[Data(data)]))
    assert light.primaries == (34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450)
    assert light.luminance == (50, 10_000_000)
