"""Upscales videos: the first video stream is upscaled frame by frame, the other streams are copied."""

from wdsr_tf.video.content import SUFFIXES, find, is_video
from wdsr_tf.video.sample import Sample, sample_of
from wdsr_tf.video.upscale import Result, VideoOptions, upscale_video

__all__ = ["SUFFIXES", "Result", "Sample", "VideoOptions", "find", "is_video", "sample_of", "upscale_video"]
