"""hybrid_serving"""
