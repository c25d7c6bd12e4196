"""One grammar a venue: from the text a venue names a contract with to what the contract is."""
