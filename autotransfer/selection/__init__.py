"""What a fit returns: the selection, its export and its serving."""
