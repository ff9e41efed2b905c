"""The page itself, which `streamlit run` runs from top to bottom at every answer of a person."""

from __future__ import annotations

import json
import os
from pathlib import Path

import streamlit as st

from faunashot import load_model
from faunashot.app.analysis import analyse, figure_of, png_of
from faunashot.app.review import DECISIONS, Review
from faunashot.app.training_clips import TrainingClips
from faunashot.detection.settings import DetectionSettings
from faunashot.errors import FaunashotError, line_of
from faunashot.recogniser import Recogniser
from faunashot.systems.card import record_card

SETTINGS = "FAUNASHOT_APP"
"""Variable with what `faunashot app` was told, as JSON: ``models`` and ``detections``."""


@st.cache_resource(show_spinner="Loading the model")
def _model(name: str) -> tuple[Recogniser, TrainingClips | None]:
    recogniser = load_model(name)
    recogniser.share_threads()
    return recogniser, TrainingClips.of_project(recogniser)


def main() -> None:
    """Draw the page."""
    told = json.loads(os.environ.get(SETTINGS) or "{}")
    st.set_page_config("faunashot", layout="wide")
    try:
        if told.get("detections") and told.get("models"):
            recording, detections = st.tabs(["A recording", "Detections to review"])
            with recording:
                _recording(told["models"])
            with detections:
                _detections(Path(told["detections"]))
        elif told.get("detections"):
            _detections(Path(told["detections"]))
        else:
            _recording(told.get("models") or [])
    except (FaunashotError, OSError) as error:
        st.error(line_of(error))


def _recording(models: list[str]) -> None:
    name = st.selectbox("Model", models) if len(models) > 1 else models[0]
    recogniser, training_clips = _model(name)
    left, right = st.columns(2)
    dropped = left.file_uploader("A sound file of any format")
    spoken = right.audio_input("Or record one")
    given = dropped or spoken
    with st.sidebar:
        settings = _settings()
        fmax_hz = st.slider("Upper end of the spectrogram, Hz", 1000, 48_000, 12_000, 500)
        st.markdown(record_card(recogniser.record))
    if given is None:
        st.caption(f"{name} knows: {', '.join(recogniser.classes)}.")
        return
    content = given.getvalue()
    with st.spinner("Listening"):
        found = analyse(recogniser, content, settings=settings, training_clips=training_clips)
    st.subheader(found.recognition.label or "none of its classes")
    for note in found.recognition.notes:
        st.caption(note)
    st.audio(content)
    st.image(png_of(figure_of(found, recogniser.classes, fmax_hz=float(fmax_hz))))
    table, events = st.columns([1, 2])
    probabilities = sorted(found.recognition.probabilities.items(), key=lambda item: -item[1])
    table.dataframe(
        [{"class": name, "probability": value} for name, value in probabilities], hide_index=True
    )
    if len(found.events):
        events.dataframe(found.events.round(3), hide_index=True)
    else:
        events.caption("No event: no window reaches the threshold of a class.")
    if found.nearest is not None and len(found.nearest):
        st.markdown("**Nearest of the clips that it learned from**")
        columns = st.columns(len(found.nearest))
        for column, clip in zip(columns, found.nearest.itertuples(), strict=True):
            column.caption(f"{clip.label}, similarity {clip.similarity:.2f}")
            if Path(str(clip.path)).is_file():
                column.audio(str(clip.path))


def _settings() -> DetectionSettings:
    own = st.checkbox("The model's own thresholds", value=True)
    threshold = st.slider("Threshold of every class", 0.0, 1.0, 0.5, 0.01, disabled=own)
    gap_s = st.slider("Merge events up to so many seconds apart", 0.0, 5.0, 0.0, 0.1)
    min_s = st.slider("Shortest event, seconds", 0.0, 5.0, 0.0, 0.1)
    return DetectionSettings(thresholds={} if own else {"": threshold}, gap_s=gap_s, min_s=min_s)


def _detections(folder: Path) -> None:
    review = Review(folder)
    for problem in review.problems:
        st.caption(problem)
    labels = st.multiselect("Labels", review.labels)
    least, most = st.slider("Score", 0.0, 1.0, (0.0, 1.0), 0.01)
    open_only = st.checkbox("Only those without an answer", value=True)
    rows = review.chosen(labels, least=least, most=most, open_only=open_only)
    st.caption(f"{len(rows)} of {len(review.table)}; {review.answered} have an answer.")
    if rows.empty:
        return
    row = rows.iloc[0]
    number = int(rows.index[0])
    st.subheader(f"{row['label']} {row['score']:.2f}")
    st.caption(f"{row['file']}, {row['start_s']:.2f} to {row['end_s']:.2f} s")
    try:
        sound, picture = review.clip(number)
    except (FaunashotError, OSError) as error:
        st.error(f"{row['file']}: {line_of(error)}")
    else:
        st.image(picture, width="stretch")
        st.audio(sound, format="audio/wav", autoplay=True)
    for column, decision in zip(st.columns(len(DECISIONS)), DECISIONS, strict=True):
        if column.button(decision, key=f"{number}-{decision}", width="stretch"):
            review.answer(number, decision)
            st.rerun()
    st.dataframe(rows.head(200).dropna(axis="columns", how="all"), hide_index=True)


if __name__ == "__main__":  # as Streamlit runs it
    main()
