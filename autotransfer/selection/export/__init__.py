"""A saved answer as one ONNX graph, from decoded items to probabilities."""

from autotransfer.selection.export.exporting import export_onnx

__all__ = ["export_onnx"]
