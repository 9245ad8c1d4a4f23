"""What nobody asks for and somebody has to do: sweep what is left over, and see to nodes that are gone."""
